// The outbox of client.js: nothing lost, nothing sold twice, everything in order, whatever fails.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Browser } from './page.mjs';
import { Server, until } from './server.mjs';

/** @type {Server} */
let server;
let tea;
before(async () => {
  server = await Server.start();
  tea = await server.product();
});
after(() => server.end());

const sale = (fields = {}) => ({ items: [{ product_id: tea.id, quantity: 1 }], ...fields });
const reply = (status, body = { status, code: 'test', detail: 'a test' }, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const away = () => Promise.reject(new TypeError('no network'));

/** The entries once all of them are in one of these states. */
async function settled(page, ...states) {
  const isDone = async () => {
    const list = await page.client.outbox.list();
    return list.every(({ state }) => states.includes(state)) && list;
  };
  return until(isDone, states.join());
}

/** The shop's orders with these notes, oldest first, as notes. */
async function sold(...notes) {
  const orders = await server.all('/api/orders');
  return orders.map((order) => order.notes).filter((note) => notes.includes(note));
}

test('a sale is acknowledged once a strict transaction is complete, and not before', async () => {
  const page = await new Browser().open(server, { answer: away });
  await page.client.outbox.add(sale({ client_id: 'strict' }));
  const begun = page.steps.indexOf('begin readwrite outbox strict');
  assert.ok(begun >= 0 && page.steps.includes('complete outbox', begun), page.steps.join('\n'));
  page.close();

  const browser = new Browser();
  const crashed = await browser.open(server, { answer: away, killAt: begun + 2 });
  let acknowledged = false;
  crashed.client.outbox.add(sale({ client_id: 'crash' })).then(() => (acknowledged = true));
  await until(() => !crashed.alive, 'the crash');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(acknowledged, false, crashed.steps.join('\n'));
});

test('killed after any step, each acknowledged sale is there once, in order', async () => {
  let kills = 0;
  for (let killAt = 1, isOver = false; !isOver; killAt += 1) {
    const browser = new Browser();
    const page = await browser.open(server, { killAt });
    const ids = [`${killAt}-a`, `${killAt}-b`];
    const acknowledged = [];
    const selling = (async () => {
      for (const id of ids) {
        await page.client.outbox.add(sale({ client_id: id, notes: id }));
        acknowledged.push(id);
      }
      await settled(page, 'sent');
      isOver = true;
    })();
    await Promise.race([selling, until(() => !page.alive, 'the kill')]);
    kills += Number(!page.alive);
    page.kill();

    // The lease of a page that has crashed ends after 3 s.
    const next = await browser.open(server, { clock: 3_001 });
    const list = await settled(next, 'sent');
    for (const id of acknowledged) assert.ok(list.some((entry) => entry.id === id), `${id} is lost at ${killAt}`);
    assert.deepEqual(await sold(...ids), list.map((entry) => entry.id), `killed at ${killAt}: ${page.steps.at(-1)}`);
    next.close();
  }
  assert.ok(kills > 25, `${kills} kills`);
});

test('a refused, a blocked and a failing entry stop no other, and all others keep their order', async () => {
  const answers = { b: () => reply(422), d: () => reply(403), f: () => reply(500) };
  let isBroken = true;
  const answer = async (url, { body }, pass) => {
    const { notes } = JSON.parse(body || '{}');
    return isBroken && answers[notes] ? answers[notes]() : pass();
  };
  const page = await new Browser().open(server, { answer });
  const states = () => page.client.outbox.list().then((list) => list.map((entry) => entry.state).join(' '));
  for (const notes of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await page.client.outbox.add(sale({ notes }));
  await until(async () => (await states()) === 'sent refused sent blocked sent pending sent', 'all are tried');
  assert.deepEqual(await sold('a', 'b', 'c', 'd', 'e', 'f', 'g'), ['a', 'c', 'e', 'g']);
  const [, refused] = await page.client.outbox.list();
  assert.equal(refused.problem.detail, 'a test');

  isBroken = false;
  await until(async () => (await states()) === 'sent refused sent blocked sent sent sent', 'the failing one is sent');
  page.client.retry();
  await until(async () => (await states()) === 'sent refused sent sent sent sent sent', 'the blocked one is sent');
  await page.client.outbox.retry(refused.id, sale({ notes: 'b' }));
  await settled(page, 'sent');
  assert.deepEqual(await sold('a', 'b', 'c', 'd', 'e', 'f', 'g'), ['a', 'c', 'e', 'g', 'f', 'd', 'b']);
  page.close();
});

test('a 401 keeps all entries and asks for a login; then they are sent in order', async () => {
  let isOut = true;
  const answer = (url, options, pass) => (isOut ? reply(401) : pass());
  const page = await new Browser().open(server, { answer });
  const states = [];
  page.client.on('state', ({ state }) => states.push(state));
  await until(() => page.client.state === 'live', 'live');
  const { done } = await page.client.outbox.add(sale({ notes: 'out 1' }));
  await until(() => states.includes('signed_out'), 'a login is asked for');
  await page.client.outbox.add(sale({ notes: 'out 2' }));
  await settled(page, 'pending', 'blocked');
  assert.deepEqual(await sold('out 1', 'out 2'), []);
  // It goes on by itself once there is a session again.
  isOut = false;
  assert.equal((await done).state, 'sent');
  await settled(page, 'sent');
  assert.deepEqual(await sold('out 1', 'out 2'), ['out 1', 'out 2']);
  page.close();
});

test('a busy server is left alone for as long as it asks', async () => {
  const tries = [];
  const answer = (url, { method }, pass) => {
    if (method !== 'POST') return pass();
    tries.push(performance.now());
    return tries.length === 1 ? reply(429, undefined, { 'Retry-After': '2' }) : pass();
  };
  const page = await new Browser().open(server, { answer });
  await page.client.outbox.add(sale({ notes: 'busy 1' }));
  await until(() => tries.length === 1, 'the first try');
  await settled(page, 'pending');
  // Neither another sale nor a network that comes back makes it sooner.
  await page.client.outbox.add(sale({ notes: 'busy 2' }));
  page.hears('online');
  await settled(page, 'sent');
  assert.ok(tries[1] - tries[0] >= 1990, `${tries[1] - tries[0]} ms`);
  assert.deepEqual(await sold('busy 1', 'busy 2'), ['busy 1', 'busy 2']);
  page.close();
});

test('an answer that is lost sells once', async () => {
  let lost = 0;
  const answer = async (url, { method }, pass) => {
    const real = await pass();
    if (method === 'POST' && lost++ < 2) throw new TypeError('the connection broke');
    return real;
  };
  const page = await new Browser().open(server, { answer });
  const { done } = await page.client.outbox.add(sale({ notes: 'lost' }));
  const { state, reply: told } = await done;
  assert.deepEqual([state, told.order.notes, lost >= 2], ['sent', 'lost', true]);
  assert.deepEqual(await sold('lost'), ['lost']);
  page.close();
});

test('pages of one browser send each sale once, in order, and all hear of it', async () => {
  const browser = new Browser();
  const pages = [await browser.open(server), await browser.open(server), await browser.open(server)];
  const notes = Array.from({ length: 30 }, (_, at) => `tab ${at}`);
  const ends = [];
  for (const [at, note] of notes.entries()) {
    ends.push((await pages[at % 3].client.outbox.add(sale({ notes: note }))).done);
  }
  assert.ok((await Promise.all(ends)).every(({ state }) => state === 'sent'));
  const posts = pages.flatMap((page) => page.asked).filter(({ method }) => method === 'POST');
  assert.equal(posts.length, 30);
  assert.deepEqual(await sold(...notes), notes);
  for (const page of pages) page.close();
});

test('a page that has sent everything lets another one send at once', async () => {
  const browser = new Browser();
  // Neither can tell the other, and nobody waits for the end of a lease.
  const impatient = (call, time) => (time < 5_000 ? setTimeout(call, time) : 0);
  const globals = { BroadcastChannel: undefined, setTimeout: impatient };
  for (const note of ['first page', 'second page']) {
    const page = await browser.open(server, { globals });
    const { done } = await page.client.outbox.add(sale({ notes: note }));
    assert.equal((await done).state, 'sent');
    await until(() => page.steps.filter((step) => step === 'complete lease').length >= 2, 'the lease is given back');
  }
});

test('a page that died while it sent delays the next one by 3 s at most', async () => {
  const browser = new Browser();
  const dead = await browser.open(server, { answer: () => new Promise(() => {}) });
  await dead.client.outbox.add(sale({ notes: 'left behind' }));
  await until(() => dead.asked.some(({ method }) => method === 'POST'), 'it sends');
  dead.kill();
  const begun = performance.now();
  const next = await browser.open(server);
  await settled(next, 'sent');
  assert.ok(performance.now() - begun < 4_000, `${performance.now() - begun} ms`);
  assert.deepEqual(await sold('left behind'), ['left behind']);
  next.close();
});

test('a page that waits long for an answer keeps the right to send', async () => {
  const browser = new Browser();
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const slow = async (url, { method }, pass) => {
    if (method === 'POST') await held;
    return pass();
  };
  const page = await browser.open(server, { answer: slow });
  await page.client.outbox.add(sale({ notes: 'slow' }));
  await until(() => page.asked.some(({ method }) => method === 'POST'), 'it sends');
  const other = await browser.open(server);
  // It lasts for 3 s, and is renewed each second.
  await until(() => page.steps.filter((step) => step === 'complete lease').length >= 5, 'it renews its right');
  assert.ok(!other.asked.some(({ method }) => method === 'POST'));
  release();
  await settled(other, 'sent');
  assert.deepEqual(await sold('slow'), ['slow']);
  for (const one of [page, other]) one.close();
});

test('an answer without a body stops nothing', async () => {
  let isOut = true;
  const answer = (url, { method }, pass) => (isOut && method === 'POST' ? new Response(null, { status: 401 }) : pass());
  const page = await new Browser().open(server, { answer });
  await page.client.outbox.add(sale({ notes: 'bare 1' }));
  await settled(page, 'blocked');
  const [{ problem }] = await page.client.outbox.list();
  assert.equal(problem.status, 401);
  await page.client.outbox.add(sale({ notes: 'bare 2' }));
  isOut = false;
  page.client.retry();
  await settled(page, 'sent');
  assert.deepEqual(await sold('bare 1', 'bare 2'), ['bare 1', 'bare 2']);
  page.close();
});

test('a sale that a person removes ends the wait for it', async () => {
  const page = await new Browser().open(server, { answer: away });
  const { id, done } = await page.client.outbox.add(sale());
  let told = '';
  done.catch(({ message }) => (told = message));
  await page.client.outbox.remove(id);
  await until(() => told.includes('was removed'), 'the end of the wait');
  page.close();
});

test('a client that is closed while it sends lets go of its database', async () => {
  const browser = new Browser();
  let release;
  const held = new Promise((resolve) => (release = resolve));
  const slow = async (url, { method }, pass) => {
    const reply = await pass();
    if (method === 'POST') await held;
    return reply;
  };
  const page = await browser.open(server, { answer: slow });
  await page.client.outbox.add(sale({ notes: 'closed' }));
  await until(() => page.asked.some(({ method }) => method === 'POST'), 'it sends');
  const bases = () => [...browser.indexedDB._databases.values()].flatMap(({ connections }) => connections);
  const steps = page.steps.length;
  page.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  release();
  await until(() => page.steps.slice(steps).includes('complete outbox'), 'the answer is kept');
  await until(() => bases().every((base) => base._closed), 'it is closed');
  const [entry] = await (await browser.open(server, { answer: away })).client.outbox.list();
  assert.equal(entry.state, 'sent');
});

test('without IndexedDB it says so, and sells only while the server answers', async () => {
  let isAway = true;
  const answer = (url, options, pass) => (isAway ? away() : pass());
  const page = await new Browser().open(server, { answer, globals: { indexedDB: undefined } });
  assert.equal(page.client.outbox.isDurable, false);
  await assert.rejects(page.client.outbox.add(sale({ notes: 'online' })), /keeps no sales/);
  isAway = false;
  const { state, done } = await page.client.outbox.add(sale({ notes: 'online' }));
  assert.deepEqual([state, (await done).state], ['sent', 'sent']);
  assert.deepEqual(await sold('online'), ['online']);
  page.close();
});

test('a full disk is the same', async () => {
  const indexedDB = {
    open() {
      const request = { error: new DOMException('the disk is full', 'QuotaExceededError') };
      setImmediate(() => request.onerror());
      return request;
    },
  };
  const page = await new Browser().open(server, { globals: { indexedDB, console: { error() {} } } });
  const { state, done } = await page.client.outbox.add(sale({ notes: 'full' }));
  assert.deepEqual([state, (await done).state, page.client.outbox.isDurable], ['sent', 'sent', false]);
  page.close();
});

test('a browser that forbids it is told before the first sale, and one that never answers with it', async () => {
  const forbids = () => {
    const request = { error: new DOMException('private', 'InvalidStateError') };
    setImmediate(() => request.onerror());
    return request;
  };
  const silent = () => ({});
  const soon = (call, time) => setTimeout(call, time === 10_000 ? 100 : time);
  for (const open of [forbids, silent]) {
    const globals = { indexedDB: { open }, console: { error() {} }, setTimeout: soon };
    const page = await new Browser().open(server, { globals });
    await until(() => !page.client.outbox.isDurable, `it says so: ${open}`);
    const { state } = await page.client.outbox.add(sale());
    assert.equal(state, 'sent');
    page.close();
  }
});

test('a database that the browser closes is opened again', async () => {
  const browser = new Browser();
  const page = await browser.open(server);
  await page.client.outbox.add(sale({ notes: 'before' }));
  await settled(page, 'sent');
  // It asks each page to close (`versionchange`), and makes a new one.
  await new Promise((resolve) => (browser.indexedDB.deleteDatabase(`tillcast ${server.url}`).onsuccess = resolve));
  const { done } = await page.client.outbox.add(sale({ notes: 'after' }));
  assert.equal((await done).state, 'sent');
  assert.deepEqual((await page.client.outbox.list()).map((entry) => entry.sale.notes), ['after']);
  page.close();
});

test('a sale has the time of the server, whatever the clock of the till says', async () => {
  const page = await new Browser().open(server, { clock: -3_600_000 });
  await page.client.request('GET', '/api/products');
  const { done } = await page.client.outbox.add(sale({ notes: 'late clock' }));
  const { order } = (await done).reply;
  assert.ok(Math.abs(Date.parse(order.sold_at) - Date.now()) < 2000, order.sold_at);
  assert.ok(Math.abs(page.client.now() - Date.now()) < 2000);
  page.close();
});

test('a repeat of a client_id is the same sale, and another sale with it is refused', async () => {
  const page = await new Browser().open(server);
  const twice = sale({ client_id: 'twice', notes: 'twice' });
  const [first, second] = await Promise.all([page.client.outbox.add(twice), page.client.outbox.add(twice)]);
  assert.equal((await first.done).reply.order.id, (await second.done).reply.order.id);
  assert.deepEqual(await sold('twice'), ['twice']);
  await assert.rejects(page.client.outbox.add({ ...twice, notes: 'another' }), /another sale/);
  for (const wrong of [null, {}, { items: [] }, sale({ client_id: '' }), sale({ client_id: 7 })]) {
    await assert.rejects(page.client.outbox.add(wrong), { name: 'TypeError' }, JSON.stringify(wrong));
  }
  page.close();
});

test('what a person removes is forgotten, and what was sent long ago', async () => {
  const page = await new Browser().open(server, { answer: (url, options, pass) => pass() });
  for (let at = 0; at < 101; at += 1) await page.client.outbox.add(sale());
  const list = await until(async () => {
    const list = await page.client.outbox.list();
    return list.length === 100 && list.every(({ state }) => state === 'sent') && list;
  }, 'the oldest is forgotten');
  await page.client.outbox.remove(list[0].id);
  assert.equal((await page.client.outbox.list()).length, 99);
  page.close();
});
