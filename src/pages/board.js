// @ts-check
/** The board: every open order, in the column of its status, and what is to be made of all of them. */
import { age, client, h, onFrame, quantity, ready, recall, remember, show, text, tone, whoami } from './app.js';

/** @typedef {import('./client.js').Row} Row */

/** The status after a bump. */
const NEXT = /** @type {{ [status: string]: string }} */ ({
  pending: 'processing',
  processing: 'ready',
  ready: 'completed',
});
const BEFORE = /** @type {{ [status: string]: string }} */ ({ processing: 'pending', ready: 'processing' });
/** An order that waits is late after these minutes, and very late. */
const LATE = [5, 8];
const RECALLS = 10;
/** An order that was handed over by mistake comes back within this time; milliseconds. */
const UNDO_WITHIN = 10000;

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const columns = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('section[data-status]'))];
const toast = at('shop-toast');
const orders = client.live('/api/orders?status=pending,processing,ready,shipped&order=asc', { keep: true });
const products = client.live('/api/products', { keep: true });
/** @type {Map<number, string>} the version of each order that was shown */
let seen = new Map();
/** Whether orders were shown before, so that others are new. */
let hasShown = false;
/** @type {Map<number, number[]>} the finished lines of orders, where the server does not have them yet */
const ticks = new Map();
/** @type {Map<number, any>} the timers of orders that are about to be handed over, which only the server ends */
const leaving = new Map();
/** The version of each row, which is another object after each change. @type {WeakMap<Row, string>} */
const versions = new WeakMap();
let sending = Promise.resolve();
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
  renderCategories(); // the goods may have come before the texts
}

function render() {
  const focus = /** @type {HTMLElement | null} */ (document.activeElement)?.closest('article');
  const column = focus?.parentElement;
  const row = column ? [...column.children].indexOf(focus) : 0;
  const lines = visibleLines();
  const shown = orders.items.filter((order) => lines.has(order.id) && !leaving.has(order.id));
  for (const column of columns) {
    const here = shown.filter((order) => order.status === column.dataset.status);
    show(at('.cards', column), here, (order) => order.id, createCard, updateCard);
    at('output', column).textContent = String(here.length);
  }
  // The focus stays in its place, so that one key bumps one order after the other.
  if (column && !focus.isConnected) {
    /** @type {HTMLElement | undefined} */ (column.children[Math.min(row, column.children.length - 1)])?.focus();
  }
  announce(shown.filter((order) => !seen.has(order.id)));
  seen = new Map(orders.items.map((order) => [order.id, version(order)]));
  hasShown = hasShown || orders.state === 'live' || orders.items.length > 0;
  for (const id of leaving.keys()) if (!seen.has(id)) leaving.delete(id);
  renderTotals(lines);
}

/** Tells of new orders. @param {Row[]} news */
function announce(news) {
  if (!hasShown || news.length === 0) return;
  tone(880);
  at('#news').textContent = news.map((order) => text('new_order', { number: short(order) })).join(' ');
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

/** The text that makes a card flash when it changes. Ticks do not: the one who ticks has seen it. @param {Row} order */
function version(order) {
  let told = versions.get(order);
  if (!told) versions.set(order, (told = JSON.stringify([order.items, order.notes, order.status])));
  return told;
}

/** The finished lines, as this board has them. @param {Row} order @returns {number[]} */
const doneOf = (order) => ticks.get(order.id) || order.done;

/**
 * The status after a bump by this role; a kitchen cannot hand over.
 *
 * @param {Row} order
 * @returns {string | undefined}
 */
function nextOf(order) {
  const next = role === 'display' ? undefined : NEXT[order.status];
  return next === 'completed' && role !== 'admin' && role !== 'staff' ? undefined : next;
}

/** @param {number} id */
const find = (id) => orders.items.find((order) => order.id === id);

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
  const told = seen.get(order.id);
  if (hasShown && told !== version(order)) card.classList.add(told ? 'changed' : 'new');
  at('.number', card).textContent = short(order);
  return card;
}

/** @param {HTMLElement} card @param {Row} order */
function updateCard(card, order) {
  const told = version(order);
  const drawn = told + doneOf(order) + role;
  if (card.dataset.drawn === drawn) return;
  if (card.dataset.version && card.dataset.version !== told) {
    card.classList.remove('new', 'changed');
    void card.offsetWidth; // starts the animation again
    card.classList.add('changed');
  }
  card.dataset.drawn = drawn;
  card.dataset.version = told;
  card.dataset.since = String(Date.parse(order.created_at));
  renderAge(card);
  card.setAttribute('aria-label', text('order_number_is', { number: short(order) }));
  renderLines(card, order);
  at('.notes', card).textContent = order.notes || '';
  const next = nextOf(order);
  const button = at('.bump', card);
  button.hidden = !next;
  button.textContent = next ? text(`bump_${next}`) : '';
}

/** @param {HTMLElement} card @param {Row} order */
function renderLines(card, order) {
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
      const button = at('button', row);
      button.disabled = role === 'display';
      button.setAttribute('aria-pressed', String(doneOf(order).includes(line)));
      at('b', row).textContent = quantity(item.quantity);
      at('span', row).textContent = item.name;
      at('i', row).textContent = item.note || '';
    },
  );
}

/** @param {Map<number, number[]>} lines */
function renderTotals(lines) {
  /** @type {Map<string, number>} */
  const totals = new Map();
  for (const order of orders.items) {
    if (order.status !== 'pending' && order.status !== 'processing') continue;
    for (const line of lines.get(order.id) || []) {
      if (doneOf(order).includes(line)) continue;
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
  for (const card of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('article'))) renderAge(card);
}

/** @param {HTMLElement} card */
function renderAge(card) {
  const since = Number(card.dataset.since);
  const minutes = (client.now() - since) / 60000;
  const told = age(since);
  const time = at('time', card);
  if (time.textContent !== told) time.textContent = told;
  const late = String(LATE.filter((late) => minutes >= late).length);
  if (card.dataset.late !== late) card.dataset.late = late;
}

function renderCategories() {
  const names = [...new Set(products.items.map((product) => product.category).filter(Boolean))].sort();
  if (products.state === 'live' && !names.includes(category)) category = ''; // the last of its goods is gone
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
  const order = find(id);
  const next = order && nextOf(order);
  if (!order || !next || leaving.has(id)) return;
  if (next === 'completed') return handOver(order);
  if (!(await change(id, { status: next }))) return;
  bumped = [id, ...bumped.filter((one) => one !== id)].slice(0, RECALLS);
  remember('bumped', bumped);
  const undo = { label: text('undo'), act: () => change(id, { status: order.status }) };
  toast.say(text('bumped', { number: short(order), status: text(next) }), undo, UNDO_WITHIN);
}

/**
 * Nothing leads back from an order that was handed over, so the server is told once nobody has undone it.
 *
 * @param {Row} order
 */
function handOver(order) {
  const back = () => {
    clearTimeout(leaving.get(order.id));
    leaving.delete(order.id);
    draw();
  };
  const tell = async () => (await change(order.id, { status: 'completed' })) || back();
  leaving.set(order.id, setTimeout(tell, UNDO_WITHIN));
  toast.say(text('handed_over', { number: short(order) }), { label: text('undo'), act: back }, UNDO_WITHIN);
  draw();
}

/** @param {number} id @param {number} line */
function toggle(id, line) {
  const order = find(id);
  if (!order) return;
  const before = doneOf(order);
  const done = before.includes(line) ? before.filter((one) => one !== line) : [...before, line].sort((a, b) => a - b);
  ticks.set(id, done);
  draw();
  // One after the other: each has all finished lines, and an older one must not be the last.
  sending = sending.then(async () => {
    await change(id, { done });
    if (ticks.get(id) === done) ticks.delete(id);
    draw();
  });
}

function openRecalls() {
  const back = bumped.map(find).filter((order) => order && BEFORE[order.status]);
  const dialog = at('#recalls');
  const recallTo = (/** @type {number} */ id) => {
    const order = find(id);
    if (order && BEFORE[order.status]) change(id, { status: BEFORE[order.status] });
    dialog.close();
  };
  show(
    at('ul', dialog),
    /** @type {Row[]} */ (back),
    (order) => order.id,
    (order) => h('li', {}, h('button', { type: 'button', onclick: () => recallTo(order.id) })),
    (row, order) => (at('button', row).textContent = `${short(order)} → ${text(BEFORE[order.status])}`),
  );
  at('p', dialog).hidden = back.length > 0;
  dialog.showModal();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (document.fullscreenEnabled) document.documentElement.requestFullscreen();
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
at('#full').hidden = !document.fullscreenEnabled;
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
