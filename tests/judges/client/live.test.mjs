// The connection and the live lists of client.js, against the real server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { join } from 'node:path';

import { Browser, storage } from './page.mjs';
import { Server, need, until } from './server.mjs';

const { WebSocket } = need('ws');

/** @type {Server} */
let server;
let tea;
before(async () => {
  server = await Server.start(['--connect-rate', '1000/s']);
  tea = await server.product();
});
after(() => server.end());

const ids = (rows) => rows.map(({ id }) => id);
const isLive = (page) => until(() => page.client.state === 'live', 'live');
const patch = (order, fields) => server.ask('PATCH', `/api/orders/${order.id}`, fields);

/** Waits until a list has exactly the rows that the server has. */
async function agrees(list, path) {
  const same = async () => {
    const rows = await server.all(path);
    return JSON.stringify(rows) === JSON.stringify([...list.items].sort((a, b) => a.id - b.id));
  };
  await until(same, `${path} agrees: ${JSON.stringify(list.items)}`);
}

test('the states are told with the one before', async () => {
  const page = await new Browser().open(server);
  const states = [];
  assert.equal(page.client.state, 'connecting');
  page.client.on('state', ({ state, before }) => states.push(`${before} ${state}`));
  await isLive(page);
  page.client.close();
  assert.deepEqual(states, ['connecting catching_up', 'catching_up live', 'live offline']);

  const stranger = await new Browser().open(server, { connect: { token: 'unknown' } });
  await until(() => stranger.client.state === 'signed_out', 'signed out');
  stranger.close();
});

test('a filtered list takes what enters it, drops what leaves it, and agrees with the server', async () => {
  const page = await new Browser().open(server);
  const path = '/api/orders?status=pending,ready';
  const list = page.client.live(path);
  const newest = page.client.live('/api/orders?limit=3');
  await isLive(page);
  const order = await server.order(tea);
  await until(() => ids(list.items).includes(order.id), 'it enters');
  const before = list.getSnapshot();
  assert.equal(before, list.getSnapshot());
  await patch(order, { status: 'processing' });
  await until(() => !ids(list.items).includes(order.id), 'it leaves');
  assert.notEqual(before, list.getSnapshot());
  await patch(order, { status: 'pending' });
  await until(() => ids(list.items).includes(order.id), 'it enters again');

  const orders = await Promise.all(Array.from({ length: 30 }, () => server.order(tea)));
  await Promise.all(orders.map(async (each, at) => {
    if (at % 2) await patch(each, { notes: `note ${at}` });
    if (at % 3) await patch(each, { status: 'processing' });
    if (at % 5 === 0) await server.ask('DELETE', `/api/orders/${each.id}`);
    else if (at % 6 === 1) await patch(each, { status: 'ready' });
  }));
  await agrees(list, path);
  const all = await server.all('/api/orders');
  await until(() => JSON.stringify(ids(newest.items)) === JSON.stringify(ids(all).slice(-3).reverse()), 'the newest');
  // One that is deleted makes room for the one behind.
  await server.ask('DELETE', `/api/orders/${all.at(-1).id}`);
  const rest = ids(all).slice(-4, -1).reverse();
  await until(() => JSON.stringify(ids(newest.items)) === JSON.stringify(rest), 'the one behind moves up');
  page.close();
});

test('rows that an event does not show whole are read together', async () => {
  const page = await new Browser().open(server);
  const list = page.client.live('/api/orders');
  await isLive(page);
  await until(() => list.state === 'live', 'the rows');
  const asked = page.asked.length;
  const begun = Date.now();
  const orders = await Promise.all(Array.from({ length: 40 }, () => server.order(tea)));
  await until(() => orders.every(({ id }) => ids(list.items).includes(id)), 'all are there');
  const reads = page.asked.slice(asked);
  const most = 2 + Math.ceil((Date.now() - begun) / 50);
  await server.order(tea);
  await until(() => list.items.length > orders.length && page.asked.length > asked + reads.length, 'one more');
  reads.push(...page.asked.slice(asked + reads.length));
  assert.ok(reads.length <= most && reads.every(({ url }) => url.includes('ids=')), JSON.stringify(reads));
  assert.ok(list.items.every(({ items }) => items.length === 1));
  const pauses = reads.slice(1).map(({ at }, before) => Math.round(at - reads[before].at));
  assert.ok(pauses.every((pause) => pause >= 45), JSON.stringify(pauses));
  page.close();
});

for (const first of ['read', 'subscribed']) {
  test(`an order is in the list that comes between, where the list is ${first} first`, async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    class Late extends WebSocket {
      set onmessage(listen) {
        super.onmessage = async (message) => {
          if (first === 'read') await held;
          listen(message);
        };
      }
    }
    let answered = false;
    const answer = async (url, options, pass) => {
      const reply = await pass();
      answered = true;
      if (first === 'subscribed') await held;
      return reply;
    };
    const page = await new Browser().open(server, { Socket: Late, answer });
    const list = page.client.live('/api/orders?status=pending');
    await until(() => answered && (first === 'read' ? list.items.length > 0 : page.client.state === 'live'), first);
    const seen = [];
    page.client.on('order:created', ({ data }) => seen.push(data.id));
    const order = await server.order(tea);
    if (first === 'subscribed') await until(() => seen.includes(order.id), 'its event');
    release();
    await until(() => ids(list.items).includes(order.id), 'the order');
    page.close();
  });
}

test('a page that was reloaded gets the events that came meanwhile, once, in order', async () => {
  const [browser, tab] = [new Browser(), storage()];
  const seen = [];
  const follow = async () => {
    const page = await browser.open(server, { tab });
    page.client.live('/api/orders');
    page.client.on('order:created', ({ data }) => seen.push(data.id));
    await isLive(page);
    return page;
  };
  const first = await follow();
  const orders = [await server.order(tea)];
  await until(() => seen.length === 1, 'the first');
  first.close();
  for (let at = 0; at < 3; at += 1) orders.push(await server.order(tea));
  const second = await follow();
  orders.push(await server.order(tea));
  await until(() => seen.length === 5, 'the others');
  assert.deepEqual(seen, ids(orders));
  second.kill();
  // Another tab begins at its own place.
  const other = await browser.open(server);
  const old = [];
  other.client.on('order:created', ({ data }) => old.push(data.id));
  await isLive(other);
  assert.deepEqual(old, []);
  other.close();
});

test('a client comes back after a restart, and reads all again after a restore', async () => {
  const page = await new Browser().open(server);
  const list = page.client.live('/api/orders');
  const [events, resets] = [[], []];
  page.client.on('order', (event) => events.push(event.seq));
  page.client.on('reset', ({ channel }) => resets.push(channel));
  await isLive(page);
  await server.order(tea);
  await until(() => events.length === 1, 'an event');
  server.run('backup', join(server.folder, 'copy.db'));
  const late = await server.order(tea);
  await until(() => ids(list.items).includes(late.id), 'the late order');
  await server.stop();
  await until(() => page.client.state === 'offline', 'offline');
  await server.again();
  await isLive(page);
  assert.deepEqual(resets, []);
  await server.stop('SIGKILL');
  server.run('restore', join(server.folder, 'copy.db'));
  await server.again();
  server.cookie = undefined;
  await until(() => resets.length === 1, 'a reset');
  assert.deepEqual(resets, ['order_changes']);
  await agrees(list, '/api/orders');
  assert.ok(!ids(list.items).includes(late.id));
  page.close();
});

test('a page that opens after a restore is told that its place in the log is gone', async () => {
  const [browser, tab] = [new Browser(), storage()];
  const follow = async () => {
    const page = await browser.open(server, { tab });
    page.resets = [];
    page.client.on('reset', ({ channel }) => page.resets.push(channel));
    page.client.on('order', () => {});
    await isLive(page);
    return page;
  };
  const first = await follow();
  server.run('backup', join(server.folder, 'older.db'));
  await server.order(tea);
  first.close();
  await server.stop();
  server.run('restore', join(server.folder, 'older.db'));
  await server.again();
  server.cookie = undefined;
  // The new log reaches further than the old one did.
  for (let at = 0; at < 5; at += 1) await server.order(tea);
  const second = await follow();
  assert.deepEqual(second.resets, ['order_changes']);
  second.close();
  const third = await follow();
  assert.deepEqual(third.resets, []);
  third.close();
});

test('a socket that is dead is replaced after 3 s, when the page wakes', async () => {
  const sockets = [];
  class Dying extends WebSocket {
    constructor(...words) {
      super(...words);
      sockets.push(this);
    }
    die() {
      // The other side has gone without a word, as after a sleep.
      super.onmessage = super.onclose = () => {};
      this.isDead = true;
    }
    send(text) {
      if (!this.isDead) super.send(text);
    }
  }
  const page = await new Browser().open(server, { Socket: Dying });
  const list = page.client.live('/api/orders');
  await isLive(page);
  const pings = () => page.said.filter(({ type }) => type === 'ping').length;
  for (const event of ['online', 'pageshow', 'focus']) {
    const before = pings();
    const answered = new Promise((resolve) => sockets[0].once('message', resolve));
    page.hears(event);
    assert.equal(pings(), before + 1, event);
    await answered;
  }
  sockets[0].die();
  const order = await server.order(tea);
  page.hears('online');
  assert.equal(page.client.state, 'live');
  await until(() => page.client.state === 'offline', 'given up');
  await until(() => ids(list.items).includes(order.id), 'what was missed');
  assert.equal(sockets.length, 2);
  page.close();
});

test('it is live once all has come that it missed, also where a pong overtakes the log', async () => {
  const [browser, tab] = [new Browser(), storage()];
  const first = await browser.open(server, { tab });
  first.client.on('product', () => {});
  await isLive(first);
  first.close();
  // More than the server keeps in memory, so that it has to read them from the log.
  const goods = await Promise.all(Array.from({ length: 20 }, () => server.product({ stock: 0 })));
  const change = ({ id }) => server.ask('POST', `/api/products/${id}/stock`, { change: 1, reason: 'count' });
  for (let round = 0; round < 60; round += 1) await Promise.all(goods.map(change));
  const page = await browser.open(server, { tab });
  let seen = 0;
  page.client.on('product', () => (seen += 1));
  await isLive(page);
  assert.equal(seen, goods.length * 61);
  page.close();
});

test('a browser without a network is offline, though the socket goes on', async () => {
  let isCut = false;
  const answer = (url, options, pass) => (isCut ? Promise.reject(new TypeError('no network')) : pass());
  const page = await new Browser().open(server, { answer });
  await isLive(page);
  page.hears('offline');
  await until(() => page.asked.some(({ url }) => url.endsWith('/healthz')), 'it asks');
  await page.client.request('GET', '/healthz');
  assert.equal(page.client.state, 'live', 'the network of the server is another one');
  isCut = true;
  page.hears('offline');
  await until(() => page.client.state === 'offline', 'offline');
  isCut = false;
  page.hears('online');
  await isLive(page);
  page.close();
});

test('a list that is closed while it reads asks for nothing more', async () => {
  let isClosed = false;
  let late = 0;
  const answer = async (url, options, pass) => {
    late += Number(isClosed);
    if (!url.includes('ids=')) return pass();
    list.close();
    isClosed = true;
    return pass();
  };
  const page = await new Browser().open(server, { answer });
  const list = page.client.live('/api/orders');
  await until(() => list.state === 'live', 'the rows');
  await server.order(tea);
  await until(() => isClosed, 'the read');
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(late, 0);
  page.close();
});

test('a session that ends asks for a login, keeps the rows, and goes on after it', async () => {
  const device = await server.ask('POST', '/api/devices', { name: 'Screen', role: 'kitchen' });
  const page = await new Browser().open(server, { connect: { token: device.token } });
  const list = page.client.live('/api/orders');
  const customers = page.client.live('/api/customers');
  await until(() => customers.state === 'refused', 'a kitchen reads no customers');
  assert.equal(customers.problem.code, 'role_not_allowed');
  await until(() => list.items.length > 0, 'rows');
  await isLive(page);
  const rows = list.items.length;
  await server.ask('DELETE', `/api/devices/${device.id}`);
  await until(() => page.client.state === 'signed_out', 'signed out');
  await page.client.request('GET', '/api/orders');
  assert.equal(list.items.length, rows);
  page.close();
});

test('mistakes are told at once, and a wrong message breaks nothing', async () => {
  const sockets = [];
  class Known extends WebSocket {
    constructor(...words) {
      super(...words);
      sockets.push(this);
    }
  }
  const page = await new Browser().open(server, { Socket: Known });
  const { client } = page;
  for (const name of ['orders', 'order:made', 'order:created:again', 'constructor', '']) {
    assert.throws(() => client.on(name, () => {}), { name: 'TypeError' }, name);
  }
  for (const path of ['/api/users', '/api/orders/7', '/orders', '/api/orders?ids=1', '/api/orders?after=7']) {
    assert.throws(() => client.live(path), { name: 'TypeError' }, path);
  }
  assert.throws(() => client.on('state', undefined), { name: 'TypeError' });
  assert.throws(() => page.module.connect({ url: 'ftp://server' }), { name: 'TypeError' });
  const problems = [];
  client.on('problem', (problem) => problems.push(problem));
  await isLive(page);
  for (const data of ['no JSON', 'null', '7', '{"event":"order:created"}', new ArrayBuffer(2)]) {
    sockets[0].onmessage({ data });
  }
  assert.equal(problems.length, 5);
  assert.equal(client.state, 'live');
  page.close();
});

test('without a WebSocket it still asks and sells, and says that it is offline', async () => {
  const globals = { WebSocket: undefined, console: { error() {} } };
  const page = await new Browser().open(server, { globals });
  await until(() => page.client.state === 'offline', 'offline');
  const { done } = await page.client.outbox.add({ items: [{ product_id: tea.id, quantity: 1 }] });
  assert.equal((await done).state, 'sent');
  page.close();
});
