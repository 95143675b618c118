// @ts-check
/** The pick list: the next order, its lines by place, a scan for each piece. It works on through a gap in the Wi-Fi. */
import { client, h, onFrame, quantity, ready, recall, remember, show, text, tone, whoami } from './app.js';
import { makeChanges } from './changes.js';
import { onScan, sameCode } from './scan.js';
import './taps.js';

/** @typedef {import('./client.js').Row} Row */
/**
 * @typedef {object} Pick An order in work: the pieces of each line, whether there were no more of it, the goods for
 *     which that is true, and the lines that were finished when the server last told.
 * @property {number[]} taken
 * @property {boolean[]} short
 * @property {string} goods
 * @property {number[]} told
 */

const LONG = 60000;

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const orders = client.live('/api/orders?status=processing&order=asc', { keep: true });
const products = client.live('/api/products', { keep: true });
/** @type {{ [order: number]: Pick }} */
let picks = {};
/** What the server does not have yet. @type {ReturnType<typeof makeChanges>} */
let changes;
let current = 0;
/** What was kept of this page last. */
let kept = '';
const draw = onFrame(render);
start();

async function start() {
  await ready();
  picks = recall('picks') || {};
  current = recall('pick') || 0;
  changes = makeChanges('picks unsent', (problem) => at('shop-toast').say(problem, undefined, LONG), draw);
  await whoami();
  orders.subscribe(draw);
  products.subscribe(draw);
  onScan(scanned);
  draw();
}

/** @param {number} id */
const order = (id) => orders.items.find((one) => one.id === id);
/** @param {number} id */
const product = (id) => products.items.find((one) => one.id === id);

/** The numbers of the lines. @param {Row} row @returns {number[]} */
const numbers = (row) => row.items.map((/** @type {any} */ _, /** @type {number} */ line) => line);

/** @param {Row} row @returns {Pick} */
function pickOf(row) {
  const goods = JSON.stringify(row.items.map((/** @type {any} */ item) => item.product_id));
  let pick = picks[row.id];
  if (!pick || pick.goods !== goods) pick = begin(row, goods, pick);
  // Another screen may have ticked a line, or taken the tick away.
  for (const line of numbers(row)) {
    const [was, is] = [pick.told.includes(line), row.done.includes(line)];
    if (is && !was) pick.taken[line] = row.items[line].quantity;
    else if (was && !is && pick.taken[line] >= row.items[line].quantity) pick.taken[line] = 0;
  }
  pick.told = row.done;
  picks[row.id] = pick;
  return pick;
}

/**
 * A pick of an order; if its lines have changed, with what was taken for those that it had.
 *
 * @param {Row} row
 * @param {string} goods
 * @param {Pick | undefined} before
 * @returns {Pick}
 */
function begin(row, goods, before) {
  const ids = before ? JSON.parse(before.goods) : [];
  const taken = row.items.map((/** @type {any} */ { product_id, quantity: most }) => {
    const line = ids.indexOf(product_id);
    if (line < 0 || !before) return 0;
    delete ids[line]; // a product may have two lines
    return Math.min(before.taken[line], most);
  });
  return { goods, taken, short: row.items.map(() => false), told: [] };
}

/** The orders that are to be picked: without those that were, though the server does not know that yet. */
function open() {
  const picked = changes.list().filter(({ to }) => to).map(({ id }) => id);
  return orders.items.filter(({ id }) => !picked.includes(id));
}

/** The numbers of the lines, by the place where their goods lie. @param {Row} row */
function walk(row) {
  const place = (/** @type {number} */ line) => product(row.items[line].product_id)?.location || '~';
  return numbers(row).sort((a, b) => place(a).localeCompare(place(b), undefined, { numeric: true }) || a - b);
}

/** @param {Row} row @param {string} state */
const linesThatAre = (row, state) => numbers(row).filter((line) => stateOf(row, line) === state);

/** @param {Row} row @param {number} line */
function stateOf(row, line) {
  const { taken, short } = pickOf(row);
  if (taken[line] >= row.items[line].quantity) return 'done';
  return short[line] ? 'short' : 'open';
}

function render() {
  const row = order(current);
  const waiting = open();
  if (orders.state === 'live') {
    if (current && !row) {
      block(text('order_gone'));
      current = 0;
    }
    for (const id of Object.keys(picks)) if (!order(Number(id))) delete picks[Number(id)];
  }
  at('#orders').hidden = !!row;
  at('#lines').hidden = !row;
  at('footer').hidden = !row;
  at('#nothing').hidden = !!row || waiting.length > 0 || orders.state !== 'live';
  const number = row && Number(row.order_number.slice(4));
  at('#title').textContent = number ? text('order_number_is', { number }) : text('page_pick');
  if (row) renderLines(row);
  else {
    show(
      at('#orders'),
      waiting,
      (one) => one.id,
      (one) => h('li', {}, h('button', { type: 'button', onclick: () => go(one.id) }, h('b'), h('span'), h('small'))),
      (item, one) => {
        at('b', item).textContent = String(Number(one.order_number.slice(4)));
        const done = linesThatAre(one, 'done').length;
        at('span', item).textContent = text('lines_done', { done, lines: one.items.length });
        const short = linesThatAre(one, 'short').length > 0 ? text('line_short') : '';
        at('small', item).textContent = [short, one.notes].filter(Boolean).join(' · ');
      },
    );
  }
  const now = JSON.stringify([picks, current]);
  if (now === kept) return;
  kept = now;
  remember('picks', picks);
  remember('pick', current);
}

/** @param {Row} row */
function renderLines(row) {
  const { taken } = pickOf(row);
  const lines = walk(row);
  const here = lines.find((line) => stateOf(row, line) === 'open');
  show(
    at('#lines'),
    lines,
    (line) => line,
    (line) => {
      const cells = ['where', 'name', 'count', 'unseen', 'sku'].map((name) => h('span', { class: name }));
      return h('li', {}, h('button', { type: 'button', onclick: () => openLine(row.id, line) }, ...cells));
    },
    (item, line) => {
      const sold = row.items[line];
      const state = line === here ? 'here' : stateOf(row, line);
      at('button', item).dataset.state = state;
      at('.where', item).textContent = product(sold.product_id)?.location || '';
      at('.name', item).textContent = sold.name + (sold.note ? ` · ${sold.note}` : '');
      at('.sku', item).textContent = sold.sku;
      at('.count', item).textContent = `${quantity(taken[line])} / ${quantity(sold.quantity)}`;
      at('.unseen', item).textContent = text(`line_${state}`);
    },
  );
  const left = linesThatAre(row, 'open').length;
  const end = linesThatAre(row, 'short').length > 0 ? 'give_to_staff' : 'all_picked';
  at('#finish').disabled = left > 0;
  at('#finish').textContent = left > 0 ? text('lines_open', { count: left }) : text(end);
}

/** Opens an order, or with 0 the list. @param {number} id */
function go(id) {
  current = id;
  scrollTo(0, 0);
  draw();
}

/** Takes pieces of a line; never more than were ordered. @param {Row} row @param {number} line @param {number} more */
function take(row, line, more) {
  const pick = pickOf(row);
  const { quantity: most, name } = row.items[line];
  if (pick.taken[line] + more > most) return block(text('enough', { name }));
  pick.taken[line] = Math.round((pick.taken[line] + more) * 1000) / 1000;
  pick.short[line] = false;
  tone(1200, 0.08);
  if (pick.taken[line] >= most) changes.tick(row.id, { [line]: true });
  draw();
}

/** @param {string} code */
function scanned(code) {
  if (at('#wrong').open) return tone(220, 0.5);
  if (at('#line').open) at('#line').close();
  const found = products.items.find((one) => one.sku === code || sameCode(one.barcode, code));
  const row = order(current);
  if (!row) {
    const number = `ORD-${code.replace(/^ORD-/, '').padStart(10, '0')}`;
    const named = open().find((one) => one.order_number === number);
    return named ? go(named.id) : block(text('open_an_order'));
  }
  if (!found) return block(text('unknown_code', { code }));
  const lines = walk(row).filter((line) => row.items[line].product_id === found.id);
  if (lines.length === 0) return block(text('not_in_order', { name: found.name }));
  const line = lines.find((one) => stateOf(row, one) !== 'done');
  if (line === undefined) return block(text('enough', { name: found.name }));
  if (found.unit === 'piece') take(row, line, 1);
  else openLine(row.id, line);
}

/** Nothing goes on until a person has seen it. @param {string} message */
function block(message) {
  tone(220, 0.8);
  at('#wrong p').textContent = message;
  if (!at('#wrong').open) at('#wrong').showModal();
}

/** @param {number} id @param {number} line */
function openLine(id, line) {
  const row = order(id);
  if (!row) return;
  const { name, quantity: most } = row.items[line];
  const left = most - pickOf(row).taken[line];
  const dialog = at('#line');
  const button = (/** @type {string} */ label, /** @type {() => void} */ act) =>
    h('button', { type: 'button', onclick: () => (dialog.close(), act()) }, label);
  dialog.setAttribute('aria-label', name);
  dialog.replaceChildren(
    h('h2', {}, name),
    ...(left > 1 ? [button(text('take_one'), () => take(row, line, 1))] : []),
    ...(left > 0 ? [button(text('take_all', { count: quantity(left) }), () => take(row, line, left))] : []),
    ...(left > 0 ? [button(text('no_more'), () => ((pickOf(row).short[line] = true), draw()))] : []),
    button(text('put_back'), () => {
      pickOf(row).taken[line] = 0;
      pickOf(row).short[line] = false;
      changes.tick(row.id, { [line]: false });
      draw();
    }),
    button(text('back'), () => {}),
  );
  dialog.showModal();
}

/** Ends the pick of an order, and goes on to the next one. @param {Row} row */
function finish(row) {
  const short = linesThatAre(row, 'short');
  if (short.length === 0) {
    const ticks = Object.fromEntries(numbers(row).map((line) => [line, true]));
    changes.add({ id: row.id, ticks, from: 'processing', to: 'ready' });
  }
  const next = open().find((one) => one.id > row.id);
  go(next ? next.id : 0);
  if (short.length > 0) tellShort(row, short);
}

/** An order has no place for what is missing, so the picker has to tell. @param {Row} row @param {number[]} short */
function tellShort(row, short) {
  const { taken } = pickOf(row);
  const missing = short.map((line) => {
    const { name, quantity: most } = row.items[line];
    return `${quantity(Math.round((most - taken[line]) * 1000) / 1000)} × ${name}`;
  });
  block(text('tell_staff', { number: Number(row.order_number.slice(4)), missing: missing.join(', ') }));
}

at('#leave').addEventListener('click', () => go(0));
at('#wrong button').addEventListener('click', () => at('#wrong').close());
at('#wrong').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
  if (event.key === 'Escape') event.preventDefault();
});
at('#finish').addEventListener('click', () => {
  const row = order(current);
  if (row) finish(row);
});
