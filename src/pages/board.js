// @ts-check
/** The board: every open order, in the column of its status, and what is to be made of all of them. */
import { age, client, h, onFrame, quantity, ready, recall, remember, show, text, tone, whoami } from './app.js';

/** @typedef {import('./client.js').Row} Row */

/** The status after a bump. A kitchen cannot hand over. */
const NEXT = /** @type {{ [status: string]: string }} */ ({
  pending: 'processing',
  processing: 'ready',
  ready: 'completed',
});
const BEFORE = /** @type {{ [status: string]: string }} */ ({ processing: 'pending', ready: 'processing' });
/** An order that waits is late after these minutes, and very late. */
const LATE = [5, 8];
const RECALLS = 10;

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const columns = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('section[data-status]'))];
const toast = at('shop-toast');
const orders = client.live('/api/orders?status=pending,processing,ready,shipped&order=asc', { keep: true });
const products = client.live('/api/products', { keep: true });
/** @type {Map<number, string>} the version of each order that was shown */
const seen = new Map();
let role = '';
let category = recall('board category') || '';
/** @type {number[]} */
let bumped = recall('bumped') || [];

const draw = onFrame(render);
start();

async function start() {
  await ready();
  role = (await whoami()).role;
  orders.subscribe(draw);
  products.subscribe(onFrame(renderCategories));
  setInterval(renderAges, 1000);
  draw();
}

function render() {
  const lines = visibleLines();
  const news = orders.items.filter((order) => orders.state === 'live' && !seen.has(order.id));
  for (const column of columns) {
    const status = column.dataset.status;
    const here = orders.items.filter((order) => order.status === status && lines.has(order.id));
    show(at('.cards', column), here, (order) => order.id, createCard, updateCard);
    at('output', column).textContent = String(here.length);
  }
  if (seen.size > 0 && news.length > 0) {
    tone(880);
    at('#news').textContent = news.map((order) => text('new_order', { number: short(order) })).join(' ');
  }
  seen.clear();
  for (const order of orders.items) seen.set(order.id, version(order));
  renderTotals();
  renderAges();
}

/** The lines that the board shows of each order: those of its category. */
function visibleLines() {
  const of = new Map(products.items.map((product) => [product.id, product.category]));
  /** @type {Map<number, number[]>} */
  const lines = new Map();
  for (const order of orders.items) {
    const here = order.items
      .map((/** @type {any} */ _, /** @type {number} */ line) => line)
      .filter((/** @type {number} */ line) => !category || of.get(order.items[line].product_id) === category);
    if (here.length > 0 || (!category && order.items.length === 0)) lines.set(order.id, here);
  }
  return lines;
}

/** The number that people call out. @param {Row} order */
function short(order) {
  return String(Number(order.order_number.slice(4)));
}

/** @param {Row} order */
function version(order) {
  return JSON.stringify([order.items, order.notes, order.done, order.status]);
}

/** @param {Row} order */
function createCard(order) {
  const card = at('#card').content.firstElementChild.cloneNode(true);
  at('.bump', card).addEventListener('click', () => bump(Number(card.dataset.key)));
  card.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (event.target === card && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      bump(Number(card.dataset.key));
    }
  });
  if (seen.size > 0) card.classList.add('new');
  at('.number', card).textContent = short(order);
  return card;
}

/** @param {HTMLElement} card @param {Row} order */
function updateCard(card, order) {
  const told = version(order);
  if (card.dataset.version === told) return;
  if (card.dataset.version && seen.has(order.id)) {
    card.classList.remove('changed');
    void card.offsetWidth; // starts the animation again
    card.classList.add('changed');
  }
  card.dataset.version = told;
  card.dataset.since = String(Date.parse(order.created_at));
  card.setAttribute('aria-label', text('order_label', { number: short(order), lines: order.items.length }));
  const lines = order.items.map((/** @type {any} */ item, /** @type {number} */ line) => ({ item, line }));
  show(
    at('.lines', card),
    lines,
    ({ line }) => line,
    ({ line }) => {
      const tick = () => toggle(order.id, line);
      return h('li', {}, h('button', { type: 'button', class: 'tick', onclick: tick }, h('b'), h('span'), h('i')));
    },
    (row, { item, line }) => {
      const done = order.done.includes(line);
      at('button', row).setAttribute('aria-pressed', String(done));
      at('b', row).textContent = quantity(item.quantity);
      at('span', row).textContent = item.name;
      at('i', row).textContent = item.note || '';
    },
  );
  at('.notes', card).textContent = order.notes || '';
  const next = order.status === 'ready' && role === 'kitchen' ? undefined : NEXT[order.status];
  const button = at('.bump', card);
  button.hidden = !next || role === 'display';
  button.textContent = next ? text(`bump_${next}`) : '';
}

function renderTotals() {
  /** @type {Map<string, number>} */
  const totals = new Map();
  const lines = visibleLines();
  for (const order of orders.items) {
    if (order.status !== 'pending' && order.status !== 'processing') continue;
    for (const line of lines.get(order.id) || []) {
      if (order.done.includes(line)) continue;
      const { name, quantity: more } = order.items[line];
      totals.set(name, (totals.get(name) || 0) + more);
    }
  }
  const most = [...totals].sort(([, a], [, b]) => b - a);
  show(
    at('#totals'),
    most,
    ([name]) => name,
    ([name]) => h('li', {}, h('b'), name),
    (row, [, total]) => (at('b', row).textContent = quantity(Math.round(total * 1000) / 1000)),
  );
}

function renderAges() {
  for (const card of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('article'))) {
    const since = Number(card.dataset.since);
    const minutes = (client.now() - since) / 60_000;
    const told = age(since);
    const time = at('time', card);
    if (time.textContent !== told) time.textContent = told;
    card.dataset.late = String(LATE.filter((late) => minutes >= late).length);
  }
}

function renderCategories() {
  const names = [...new Set(products.items.map((product) => product.category).filter(Boolean))].sort();
  const select = at('#category');
  show(
    select,
    ['', ...names],
    (name) => name,
    (name) => h('option', { value: name }, name || text('all')),
    () => {},
  );
  select.value = category;
  draw();
}

/** @param {number} id @param {any} patch */
async function change(id, patch) {
  try {
    const { status, body } = await client.request('PATCH', `/api/orders/${id}`, patch);
    if (status === 200) return true;
    toast.say(body.detail);
  } catch {
    toast.say(text('not_reached'));
  }
  return false;
}

/** @param {number} id */
async function bump(id) {
  const order = orders.items.find((one) => one.id === id);
  const next = order && NEXT[order.status];
  if (!order || !next) return;
  if (!(await change(id, { status: next }))) return;
  bumped = [id, ...bumped.filter((one) => one !== id)].slice(0, RECALLS);
  remember('bumped', bumped);
  if (next === 'completed') toast.say(text('handed_over', { number: short(order) }));
  else {
    const undo = { label: text('undo'), act: () => change(id, { status: order.status }) };
    toast.say(text('bumped', { number: short(order), status: text(next) }), undo);
  }
}

/** @param {number} id @param {number} line */
function toggle(id, line) {
  const order = orders.items.find((one) => one.id === id);
  if (!order) return;
  const done = order.done.includes(line)
    ? order.done.filter((/** @type {number} */ one) => one !== line)
    : [...order.done, line].sort((a, b) => a - b);
  change(id, { done });
}

function openRecalls() {
  const back = bumped
    .map((id) => orders.items.find((order) => order.id === id))
    .filter((order) => order && BEFORE[order.status]);
  const dialog = at('#recalls');
  show(
    at('ul', dialog),
    /** @type {Row[]} */ (back),
    (order) => order.id,
    (order) => h('li', {}, h('button', { type: 'button', onclick: () => change(order.id, { status: BEFORE[order.status] }).then(() => dialog.close()) })),
    (row, order) => (at('button', row).textContent = `${short(order)} → ${text(BEFORE[order.status])}`),
  );
  dialog.showModal();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
}

/** Moves the focus among the cards. @param {number} columnsOver @param {number} cardsOver */
function move(columnsOver, cardsOver) {
  const card = document.activeElement?.closest('article');
  const within = card ? columns.findIndex((column) => column.contains(card)) : 0;
  const cards = (/** @type {number} */ column) => [...(columns[column]?.querySelectorAll('article') || [])];
  const row = card ? cards(within).indexOf(card) : -1;
  const target = cards(Math.min(Math.max(within + columnsOver, 0), columns.length - 1));
  target[Math.min(Math.max(row + cardsOver, 0), target.length - 1)]?.focus();
}

at('#category').addEventListener('change', (/** @type {any} */ event) => {
  category = event.target.value;
  remember('board category', category);
  draw();
});
at('#recall').addEventListener('click', openRecalls);
at('#full').addEventListener('click', fullScreen);
at('#recalls > button').addEventListener('click', () => at('#recalls').close());
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || at('#recalls').open) return;
  const keys = /** @type {{ [key: string]: () => void }} */ ({
    r: openRecalls,
    f: fullScreen,
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
  });
  const act = keys[event.key];
  if (!act || /** @type {HTMLElement} */ (event.target).closest('select')) return;
  event.preventDefault();
  act();
});
