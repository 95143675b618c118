// A thousand clients come back after a restart: evenly, and soon, however long the server is away. The clients are
// those of client.js; time and network are simulated, so that a busy machine changes nothing. `benches/returns.mjs`
// does the same against the real server.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';

import { storage } from './page.mjs';

const SOURCE = readFileSync(new URL('../../../src/pages/client.js', import.meta.url), 'utf8');

/** A shop whose clock is moved by hand. */
class World {
  now = 1_800_000_000_000;
  #queue = [];
  #due = 0;
  isUp = true;
  sockets = [];
  /** The times of all dials, and of those that were answered. */
  dialed = [];
  opened = [];

  at(time, call) {
    const job = { time: this.now + (time || 0), order: (this.#due += 1), call };
    let low = 0;
    for (let high = this.#queue.length; low < high; ) {
      const middle = (low + high) >> 1;
      const { time: other, order } = this.#queue[middle];
      if (other > job.time || (other === job.time && order > job.order)) low = middle + 1;
      else high = middle;
    }
    this.#queue.splice(low, 0, job);
    return job;
  }

  get turns() {
    return Math.min(2 ** Math.ceil(Math.log2(this.sockets.length)), 1024);
  }

  /** Lets this much time pass. */
  async pass(time) {
    const end = this.now + time;
    while (this.#queue.length > 0 && this.#queue.at(-1).time <= end) {
      const { time: due, call } = this.#queue.pop();
      this.now = due;
      call?.();
    }
    this.now = end;
  }

  /** Tells a client its turn, as the server does. */
  tell(socket) {
    socket.told = this.turns;
    socket.hear({ type: 'turn', at: 20 * (socket.place % this.turns), every: 20 * this.turns });
  }

  down() {
    this.isUp = false;
    for (const socket of this.sockets.splice(0)) socket.lose(1006);
  }

  async clients(count, offline) {
    const world = this;
    class Socket {
      constructor() {
        world.dialed.push(world.now);
        world.at(5, () => (world.isUp ? this.#open() : this.lose(1006)));
      }
      #open() {
        this.place = world.sockets.length;
        world.sockets.push(this);
        world.opened.push(world.now);
        this.hear({ type: 'connected', message: '', userId: null });
      }
      hear(message) {
        world.at(1, () => this.onmessage?.({ data: JSON.stringify(message) }));
      }
      lose(code) {
        world.at(1, () => this.onclose?.({ code }));
      }
      send(text) {
        const { type, channel } = JSON.parse(text);
        if (type === 'ping') this.hear({ type: 'pong' });
        if (type === 'lag') this.hear({ type: 'lag', unsent: 0 });
        if (type === 'subscribe') this.hear({ type: 'subscribed', channel, seq: 1, log: 'log' });
        if (type !== 'turn') return;
        world.tell(this);
        for (const other of world.sockets) if (other.told && other.told !== world.turns) world.tell(other);
      }
      close() {}
    }
    const DateThere = class extends Date {
      static now = () => world.now + offline;
    };
    const context = vm.createContext({
      ...{ URL, URLSearchParams, AbortController, console, WebSocket: Socket, Date: DateThere },
      fetch: () => new Promise(() => {}),
      crypto,
      setTimeout: (call, time) => world.at(time, call),
      clearTimeout: (job) => job && (job.call = null),
      setInterval: () => 0,
      clearInterval() {},
    });
    const module = new vm.SourceTextModule(SOURCE, { context });
    await module.link(() => {});
    await module.evaluate();
    for (let at = 0; at < count; at += 1) {
      const client = module.namespace.connect({ url: 'http://shop', token: 'token', storage: storage() });
      client.on('order', () => {});
    }
  }

  /** The most of these times in any second. */
  static most(times) {
    let [most, from] = [0, 0];
    for (const [at, time] of times.entries()) {
      while (times[from] <= time - 1000) from += 1;
      most = Math.max(most, at - from + 1);
    }
    return most;
  }
}

for (const away of [200, 3_000, 12_000, 47_000, 300_000]) {
  test(`1,000 are back within 30 s, at most 60 in any second, after ${away / 1000} s without a server`, async () => {
    const world = new World();
    await world.clients(1000, 0);
    await world.pass(60_000);
    assert.equal(world.sockets.length, 1000);
    world.dialed = [];
    world.opened = [];
    world.down();
    await world.pass(away);
    world.isUp = true;
    const up = world.now;
    await world.pass(60_000);
    assert.equal(world.opened.length, 1000);
    assert.ok(world.opened.at(-1) - up <= 30_000, `${world.opened.at(-1) - up} ms`);
    assert.ok(World.most(world.dialed) <= 60, `${World.most(world.dialed)} in a second`);
  });
}

test('ten clients are back within a second, whatever their clocks say', async () => {
  for (const offline of [0, 3_600_123, -7_777]) {
    const world = new World();
    await world.clients(10, offline);
    await world.pass(60_000);
    world.opened = [];
    world.down();
    world.isUp = true;
    const up = world.now;
    await world.pass(1_000);
    assert.equal(world.opened.length, 10, `${world.opened.map((time) => time - up)}`);
  }
});

test('a client that has never been there tries again for ever, each time later, at most 20 s', async () => {
  const world = new World();
  world.isUp = false;
  await world.clients(1, 0);
  await world.pass(3_600_000);
  const waits = world.dialed.slice(1).map((time, at) => time - world.dialed[at]);
  assert.ok(waits[0] >= 500 && waits[0] < 1_100, `${waits[0]}`);
  assert.ok(waits.every((wait) => wait >= 500 && wait <= 20_100), `${waits}`);
  assert.ok(new Set(waits.map(Math.round)).size > 100, 'they are spread');
  world.isUp = true;
  await world.pass(21_000);
  assert.equal(world.sockets.length, 1);
});
