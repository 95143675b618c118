// The types of client.js: its own, those that a strict program sees, and what a browser of 2020 understands.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { need } from './server.mjs';

const { parse } = need('acorn');
const walk = need('acorn-walk');

const PAGES = fileURLToPath(new URL('../../../src/pages/', import.meta.url));
const NAMES = readdirSync(PAGES, { recursive: true }).filter((name) => name.endsWith('.js'));
const SCRIPTS = NAMES.map((name) => join(PAGES, name));
const STRICT = ['--strict', '--target', 'es2020', '--module', 'es2022', '--moduleResolution', 'bundler'];
const LIBRARIES = ['--lib', 'es2020,dom,dom.iterable'];

const folder = mkdtempSync(join(tmpdir(), 'tillcast-types-'));
after(() => rmSync(folder, { recursive: true }));

function tsc(...words) {
  try {
    const compiler = need.resolve('typescript/bin/tsc');
    return execFileSync('node', [compiler, ...STRICT, ...words], { cwd: folder, encoding: 'utf8' });
  } catch (error) {
    throw new Error(error.stdout);
  }
}

test('client.d.ts is what the types of client.js say', () => {
  const generate = ['--allowJs', '--checkJs', '--declaration', '--emitDeclarationOnly', '--outDir', '.'];
  tsc(...LIBRARIES, ...generate, join(PAGES, 'client.js'));
  const generated = readFileSync(join(folder, 'client.d.ts'), 'utf8');
  if (process.env.TILLCAST_UPDATE) writeFileSync(join(PAGES, 'client.d.ts'), generated);
  const hint = 'TILLCAST_UPDATE=1 cargo test --test judges client:: writes it';
  assert.equal(readFileSync(join(PAGES, 'client.d.ts'), 'utf8'), generated, hint);
});

test('each script of the pages fits the strict checker, as the browsers of 2020 are', () => {
  tsc(...LIBRARIES, '--allowJs', '--checkJs', '--noEmit', ...SCRIPTS);
});

test('a strict program sees each type, and its mistakes', () => {
  writeFileSync(join(folder, 'till.ts'), PROGRAM);
  const checks = ['--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noEmit'];
  const words = ['--lib', 'es2022,dom', ...checks, 'till.ts'];
  tsc(...words);
  writeFileSync(join(folder, 'till.ts'), [PROGRAM, ...MISTAKES.map(([wrong]) => wrong)].join('\n'));
  assert.throws(() => tsc(...words), ({ message }) => {
    const told = message.trim().split('\n').filter((line) => line.startsWith('till.ts'));
    assert.equal(told.length, MISTAKES.length, message);
    MISTAKES.forEach(([, about], at) => assert.match(told[at], about));
    return true;
  });
});

const PROGRAM = `
import { amounts, connect, uuid, type Client, type Entry, type Row, type State } from './client.js';

const client: Client = connect({ url: 'http://shop.lan:3000', token: 'token' });
const off: () => void = client.on('state', ({ state, before }) => say(state, before));
client.on('outbox', (entries) => entries.map((entry: Entry) => entry.problem?.errors?.map(({ field }) => field)));
client.on('order:created', ({ data, seq, timestamp }) => say(data.id, seq, timestamp));
client.on('reset', ({ channel }) => say(channel));
const list = client.live('/api/orders?status=pending', { keep: true });
list.subscribe(() => list.getSnapshot().map((row: Row) => row.id));
const first: Row | undefined = list.items[0];
const { total, taxes } = amounts([{ quantity: 1000, unit_price: 250, tax_rate: null }], { discount: 10, added: true });
async function sell(): Promise<State> {
  const { done, id } = await client.outbox.add({ items: [{ sku: 'TEA', quantity: 1 }], client_id: uuid() });
  const { state, reply } = await done;
  if (state === 'refused') await client.outbox.retry(id);
  say(reply.order.order_number, client.now(), total, taxes[0]?.net, first?.id);
  const { status, seq, retryAfter } = await client.request('GET', '/api/orders');
  say(status + seq + retryAfter);
  off();
  return client.state;
}
function say(...words: (string | number | undefined)[]) {
  console.log(words);
}
sell().then(() => client.close());
`;
const MISTAKES = [
  ["client.on('state', ({ now }) => now);", /'now' does not exist/],
  ["const state: 'online' = client.state;", /not assignable/],
  ["connect({ address: 'x' });", /'address' does not exist/],
  ['list.items.push({ id: 1 });', /readonly/],
  ["amounts([{ quantity: '1', unit_price: 1 }]);", /not assignable/],
];

test('each script is in the syntax of 2020, and calls nothing newer', () => {
  for (const script of SCRIPTS) {
    const tree = parse(readFileSync(script, 'utf8'), { ecmaVersion: 2020, sourceType: 'module' });
    const isOld = (name) => assert.ok(!NEWER.has(name), `${script}: ${name} is newer than 2020`);
    walk.simple(tree, {
      CallExpression: ({ callee: { property } }) => property && isOld(property.name),
      Identifier: ({ name }) => name !== 'at' && isOld(name), // pages have a function of that name
    });
  }
});

/** What browsers got after 2020, and what a page over plain HTTP does not have. */
const NEWER = new Set([
  ...['at', 'hasOwn', 'findLast', 'findLastIndex', 'replaceAll', 'toSorted', 'toReversed', 'toSpliced', 'groupBy'],
  ...['structuredClone', 'AggregateError', 'WeakRef', 'FinalizationRegistry', 'withResolvers', 'fromAsync'],
  ...['timeout', 'any', 'throwIfAborted', 'requestIdleCallback', 'randomUUID', 'showPopover', 'startViewTransition'],
]);
