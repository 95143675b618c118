// 1,000 clients of client.js come back after a restart of the real server: how soon, and how many in a second.
// It needs what tests/setup installs, and takes two minutes:
//
//     TILLCAST=target/release/tillcast NODE_MODULES=target/tools/node/node_modules \
//         node --experimental-vm-modules benches/returns.mjs

import vm from 'node:vm';

import { storage } from '../tests/judges/client/page.mjs';
import { Server, need, until } from '../tests/judges/client/server.mjs';

const { WebSocket } = need('ws');
const CLIENTS = 1000;
const DEVICES = 20;

const flags = ['--connect-rate', '10000/s', '--max-connections-per-address', '5000'];
const server = await Server.start(flags);
const tokens = Array.from({ length: DEVICES }, (_, at) => server.device(`Screen ${at}`, 'display'));
let dialed = [];
const context = vm.createContext({
  ...{ URL, URLSearchParams, AbortController, console, crypto, fetch },
  ...{ setTimeout, clearTimeout, setInterval, clearInterval },
  WebSocket: class extends WebSocket {
    constructor(...words) {
      super(...words);
      dialed.push(performance.now());
    }
  },
});
const source = await (await fetch(`${server.url}/client.js`)).text();
const module = new vm.SourceTextModule(source, { context });
await module.link(() => {});
await module.evaluate();
const { connect } = module.namespace;

let back = [];
const clients = [];
for (let at = 0; at < CLIENTS; at += 1) {
  const client = connect({ url: server.url, token: tokens[at % DEVICES], storage: storage() });
  client.on('order', () => {});
  client.on('state', ({ state }) => state === 'catching_up' && back.push(performance.now()));
  clients.push(client);
  await new Promise((resolve) => setTimeout(resolve, 10));
}
const all = () => clients.every(({ state }) => state === 'live');
await patiently(all);
await new Promise((resolve) => setTimeout(resolve, 2000));

for (const signal of ['SIGTERM', 'SIGKILL']) {
  for (const away of [0, 8000]) {
    back = [];
    dialed = [];
    const begun = performance.now();
    await server.stop(signal);
    await new Promise((resolve) => setTimeout(resolve, away));
    await server.again();
    const up = performance.now();
    await patiently(() => back.length >= CLIENTS && all());
    const seconds = (time) => (time / 1000).toFixed(1);
    console.log(
      `${signal}, then ${away / 1000} s: up after ${seconds(up - begun)} s; all ${back.length} back`,
      `${seconds(back.at(-1) - up)} s later; at most ${most(back)} connections and ${most(dialed)} dials in a second`,
    );
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
for (const client of clients) client.close();
await server.end();
process.exit();

async function patiently(look) {
  while (!(await until(look).catch(() => false)));
}

/** The most of these times in any second. */
function most(times) {
  return Math.max(...times.map((from) => times.filter((time) => time >= from && time < from + 1000).length));
}
