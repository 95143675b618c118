// @ts-check
/** The board: every open order, in the column of its status, and what is to be made of all of them. */
import { age, client, h, onFrame, quantity, ready, recall, remember, show, text, tone, whoami } from './app.js';
import { makeChange, makeChanges } from './changes.js';
import './taps.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {ReturnType<typeof makeChanges>} Changes */

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
/** What the server does not have yet: ticks, and the orders that are about to be handed over. @type {Changes} */
let changes;
/** The orders of which a bump is on its way. @type {Set<number>} */
const bumping = new Set();
/** The version of each row, which is another object after each change. @type {WeakMap<Row, string>} */
const versions = new WeakMap();
/** The lines of each order that are shown. @type {Map<number, number[]>} */
let visible = new Map();
let role = '';
let category = '';
/** @type {number[]} */
let bumped = [];

const draw = onFrame(render);
start();

async function start() {
  await ready();
  category = recall('board category') || '';
  bumped = recall('bumped') || [];
  changes = makeChanges('board unsent', (problem) => toast.say(problem), draw);
  addEventListener('pagehide', tellAtOnce);
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
  visible = visibleLines();
  const shown = orders.items.filter((order) => visible.has(order.id) && !handingOver(order.id));
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
  renderTotals();
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

/** The change that hands an order over, while it waits to be told. @param {number} id */
const handingOver = (id) => changes.of(id).find(({ to }) => to);

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
  const drawn = [told, changes.doneOf(order), role, visible.get(order.id)].join(';');
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
  const here = visible.get(order.id) || [];
  const lines = here.map((line) => ({ item: order.items[line], line }));
  const others = order.items.length - here.length;
  at('.others', card).textContent = others > 0 ? text('other_lines', { count: others }) : '';
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
      button.setAttribute('aria-pressed', String(changes.doneOf(order).includes(line)));
      at('b', row).textContent = quantity(item.quantity);
      at('span', row).textContent = item.name;
      at('i', row).textContent = item.note || '';
    },
  );
}

function renderTotals() {
  /** @type {Map<string, number>} */
  const totals = new Map();
  for (const order of orders.items) {
    if (order.status !== 'pending' && order.status !== 'processing') continue;
    for (const line of visible.get(order.id) || []) {
      if (changes.doneOf(order).includes(line)) continue;
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

/**
 * Moves an order, unless another screen has moved it meanwhile; returns whether that came about.
 *
 * @param {number} id
 * @param {string} from
 * @param {string} to
 */
async function move(id, from, to) {
  if (bumping.has(id)) return false;
  bumping.add(id);
  let problem = text('not_reached');
  try {
    problem = await makeChange({ id, from, to });
  } catch {
    // It is told below.
  }
  bumping.delete(id);
  if (problem) toast.say(problem);
  return !problem;
}

/** @param {number} id */
async function bump(id) {
  const order = find(id);
  const next = order && nextOf(order);
  if (!order || !next) return;
  if (next === 'completed') return handOver(order);
  const { status } = order;
  if (!(await move(id, status, next))) return;
  bumped = [id, ...bumped.filter((one) => one !== id)].slice(0, RECALLS);
  remember('bumped', bumped);
  const undo = { label: text('undo'), act: () => move(id, next, status) };
  toast.say(text('bumped', { number: short(order), status: text(next) }), undo, UNDO_WITHIN);
}

/**
 * Nothing leads back from an order that was handed over, so the server is told once nobody has undone it. The order
 * waits for that in the page's memory, which outlives the page.
 *
 * @param {Row} order
 */
function handOver({ id, order_number, status }) {
  if (handingOver(id)) return;
  changes.add({ id, from: status, to: 'completed', at: Date.now() + UNDO_WITHIN });
  const undo = { label: text('undo'), act: () => keepHere(id) };
  toast.say(text('handed_over', { number: Number(order_number.slice(4)) }), undo, UNDO_WITHIN);
}

/** Takes back that an order was handed over, if the server was not told yet. @param {number} id */
function keepHere(id) {
  const change = handingOver(id);
  if (change) changes.remove(change);
}

/** A page that closes tells what it waits with: it may be the last of the day. */
function tellAtOnce() {
  for (const { id, to: status } of changes.list()) {
    if (!status) continue;
    const headers = { 'Content-Type': 'application/merge-patch+json' };
    const body = JSON.stringify({ status });
    fetch(`/api/orders/${id}`, { method: 'PATCH', headers, body, keepalive: true }).catch(() => {});
  }
}

/** @param {number} id @param {number} line */
function toggle(id, line) {
  const order = find(id);
  if (order) changes.tick(id, { [line]: !changes.doneOf(order).includes(line) });
}

function openRecalls() {
  const back = bumped.map(find).filter((order) => order && BEFORE[order.status] && !handingOver(order.id));
  const left = orders.items.filter(({ id }) => handingOver(id));
  const dialog = at('#recalls');
  const recallTo = (/** @type {number} */ id, /** @type {string} */ from) => {
    dialog.close();
    if (handingOver(id)) keepHere(id);
    else move(id, from, BEFORE[from]);
  };
  dialog.querySelector('ul').replaceChildren(
    .../** @type {Row[]} */ ([...left, ...back]).slice(0, RECALLS).map((order) => {
      const { id, status } = order;
      const to = handingOver(id) ? status : BEFORE[status];
      const call = { type: 'button', onclick: () => recallTo(id, status) };
      return h('li', {}, h('button', call, `${short(order)} → ${text(to)}`));
    }),
  );
  at('p', dialog).hidden = at('li', dialog) !== null;
  if (!dialog.open) dialog.showModal();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (document.fullscreenEnabled) document.documentElement.requestFullscreen();
}

/** Moves the focus among the cards. @param {number} columnsOver @param {number} cardsOver */
function step(columnsOver, cardsOver) {
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
    ArrowLeft: () => step(-1, 0),
    ArrowRight: () => step(1, 0),
    ArrowUp: () => step(0, -1),
    ArrowDown: () => step(0, 1),
  });
  const act = keys[event.key];
  if (!act || /** @type {HTMLElement} */ (event.target).closest('select')) return;
  event.preventDefault();
  act();
});
