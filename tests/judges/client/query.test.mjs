// query.js with the real TanStack Query, against the real server.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Browser } from './page.mjs';
import { Server, need, until } from './server.mjs';

const { QueryClient, QueryObserver } = need('@tanstack/query-core');

test('cached lists and rows follow the shop, with few reads', async () => {
  const server = await Server.start();
  const source = await (await fetch(`${server.url}/query.js`)).text();
  const { follow } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  const tea = await server.product();
  const order = await server.order(tea);
  const page = await new Browser().open(server);
  const queries = new QueryClient({ defaultOptions: { queries: { networkMode: 'always', staleTime: Infinity } } });
  const end = follow(queries, page.client);
  const reads = [];
  const watch = (queryKey, path, take) => {
    const queryFn = async () => {
      reads.push(path);
      return take((await page.client.request('GET', path)).body);
    };
    const observer = new QueryObserver(queries, { queryKey, queryFn });
    observer.subscribe(() => {});
    return () => observer.getCurrentResult().data;
  };
  const pending = watch(['orders', { status: 'pending' }], '/api/orders?status=pending', (body) => body.data);
  const reply = watch(['orders', 'all'], '/api/orders', (body) => body);
  const single = watch(['orders', order.id], `/api/orders/${order.id}`, (body) => body);
  await until(() => page.client.state === 'live' && pending() && reply() && single(), 'the first reads');
  await until(() => reads.length >= 4 && queries.isFetching() === 0, 'what was read before the events is read again');

  // A change of a known row needs no read.
  reads.length = 0;
  await server.ask('PATCH', `/api/orders/${order.id}`, { notes: 'no sugar' });
  await until(() => [single(), pending()[0], reply().data[0]].every(({ notes }) => notes === 'no sugar'), 'the note');
  assert.deepEqual(reads, []);

  // New rows are read together.
  const more = await Promise.all(Array.from({ length: 20 }, () => server.order(tea)));
  await until(() => reply().data.length === 21 && pending().length === 21, 'the new rows');
  assert.ok(reads.length <= 8 && !reads.includes(`/api/orders/${order.id}`), `${reads}`);
  assert.ok(reply().data.every(({ items }) => items.length === 1));

  // One leaves the filtered list, one is deleted.
  await server.ask('PATCH', `/api/orders/${order.id}`, { status: 'processing' });
  await until(() => !pending().some(({ id }) => id === order.id) && single().status === 'processing', 'it leaves');
  await server.ask('DELETE', `/api/orders/${more[0].id}`);
  await until(() => reply().data.length === 20 && pending().length === 19, 'it is gone');

  // One enters a list by another filter.
  const hot = watch(['products', { category: 'hot' }], '/api/products?category=hot', (body) => body.data);
  await until(() => hot(), 'no hot goods');
  await server.ask('PATCH', `/api/products/${tea.id}`, { category: 'hot' });
  await until(() => hot().length === 1, 'tea is hot');

  end();
  reads.length = 0;
  await server.order(tea);
  page.client.on('order:updated', () => {});
  await server.ask('PATCH', `/api/orders/${order.id}`, { notes: 'nobody follows' });
  await until(() => page.said.filter(({ type }) => type === 'unsubscribe').length === 5, 'it has ended');
  assert.equal(single().notes, 'no sugar');
  page.close();
  queries.unmount();
  await server.end();
});
