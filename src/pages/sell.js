// @ts-check
/** The till. Each sale goes through the outbox, so it sells without the server. */
import {
  LINES_MAX, NOTE_MAX, PAYMENTS_MAX, due, emptyBasket, fitDiscounts, goods, isDiscount, isQuantity, major, saleOf, sums,
  typed, typedDiscount, worth,
} from './basket.js';
import { client, h, money, onFrame, quantity, ready, recall, remember, shop, show, text, tone, whoami } from './app.js';
import { asTyped, ask, choose, fill, onClosed, warn } from './ask.js';
import { onScan } from './scan.js';
import { chooseCustomer, makeShelf, per } from './sell-find.js';
import { isHandedOver, pay } from './sell-pay.js';
import { beginRefunds, openSales, refunds } from './sell-sales.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {import('./basket.js').Basket} Basket */
/** @typedef {import('./basket.js').Line} Line */
/** @typedef {import('./basket.js').Terms} Terms */

const SELLERS = ['staff', 'admin'];
/** A scanner may end a code with two keys; milliseconds. */
const SCANNED_WITHIN = 300;
const LONG = 60000;

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const toast = at('shop-toast');
const dialog = at('#dialog');
const search = at('#search');
const products = client.live('/api/products?status=published&order=asc', { keep: true });
const shelf = makeShelf(products, search, add);
/** @type {Basket} */
let basket = emptyBasket();
/** @type {Basket[]} */
let held = [];
let scannedAt = 0;
let isSelling = false;
/** Whether the dialog shows the change of the last sale; the next one may begin. */
let isSold = false;
/** @type {Terms} */
let terms;
const draw = onFrame(render);
start();

async function start() {
  await ready();
  search.placeholder = text('search');
  await resume();
  beginRefunds(toast, draw);
  terms = recall('shop');
  products.subscribe(drawShelf);
  client.on('outbox', forgetSold);
  client.on('product:deleted', ({ data }) => tellGone(data.id));
  client.on('state', ({ state }) => state === 'live' && readTerms());
  changed();
  drawShelf();
  listen();
  await readTerms();
  const { role, name } = await whoami();
  if (role && !SELLERS.includes(role)) location.href = '/';
  at('#cashier').textContent = name;
}

async function readTerms() {
  terms = (await shop()) || terms;
  draw();
  drawShelf();
}

/** Nothing can be sold without the currency. */
function drawShelf() {
  if (terms) shelf.draw();
}

/** Takes up what was not sold when the page was closed or the browser died. */
async function resume() {
  const entries = await client.outbox.list().catch(() => []);
  const isOpen = (/** @type {Basket} */ one) => one.lines.length > 0 && !entries.some(({ id }) => id === one.id);
  basket = [recall('basket')].filter(Boolean).find(isOpen) || basket;
  held = (recall('held') || []).filter(isOpen);
}

/** Empties a basket that another page has sold. @param {{ id: string }[]} entries */
function forgetSold(entries) {
  const isThere = (/** @type {Basket} */ one) => entries.some(({ id }) => id === one.id);
  if (held.some(isThere)) held = held.filter((one) => !isThere(one));
  if (!isSelling && isThere(basket)) newBasket();
}

/** Tells of a product that the server does not have any more: it would refuse the sale. @param {number} id */
function tellGone(id) {
  for (const { product } of [basket, ...held].flatMap(({ lines }) => lines)) {
    if (product.id === id) return toast.say(text('product_gone', { name: product.name }), undefined, LONG);
  }
}

/** @param {Basket} [next] */
function newBasket(next = emptyBasket()) {
  basket = next;
  changed();
}

/** Keeps the baskets over a reload, and shows them. */
function changed() {
  if (terms) fitDiscounts(basket, terms);
  remember('basket', basket);
  remember('held', held);
  draw();
}

/** @param {number} units */
const shown = (units) => money(major(units, terms), terms.currency);

function render() {
  const isEmpty = basket.lines.length === 0;
  at('#empty').hidden = !isEmpty;
  for (const id of ['hold', 'discount', 'clear', 'pay']) at(`#${id}`).disabled = isEmpty || !terms;
  const waiting = refunds().length;
  const words = [text('sales'), waiting > 0 && text('status_waiting', { count: waiting })];
  at('#sales').textContent = words.filter(Boolean).join(' · ');
  at('#held').textContent = text('held', { count: held.length });
  at('#held').hidden = held.length === 0;
  if (!terms) return;
  renderLines();
  const { tax_total, total } = sums(basket, terms);
  const rows = [
    basket.customer && [text('customer'), basket.customer.name],
    basket.discount && [text('discount'), `−${shown(basket.discount)}`],
    tax_total && [text(terms.tax === 'added' ? 'tax_added' : 'tax_included'), shown(tax_total)],
    [text('total'), shown(total), 'total'],
    basket.payments.length > 0 && [text('due'), shown(Math.max(due(basket, terms), 0))],
  ];
  at('#sums').replaceChildren(
    .../** @type {string[][]} */ (rows.filter(Boolean)).flatMap(([name, value, kind]) => [
      h('dt', { class: kind }, name),
      h('dd', { class: kind }, value),
    ]),
  );
  at('#pay').textContent = text('pay', { amount: shown(total) });
}

function renderLines() {
  const { line_totals } = sums(basket, terms);
  const lines = at('#lines');
  const before = lines.children.length;
  show(
    lines,
    basket.lines.map((line, index) => ({ line, index })),
    ({ index }) => index,
    ({ index }) => createLine(index),
    (row, { line, index }) => {
      const [name, price] = row.querySelectorAll('span');
      at('b', row).textContent = quantity(line.quantity / 1000) + (isPiece(line) ? '' : ` ${line.product.unit}`);
      name.textContent = line.product.name;
      price.textContent = shown(line_totals[index]);
      const less = line.discount ? text('less', { amount: shown(line.discount) }) : '';
      at('small', row).textContent = [line.note, less].filter(Boolean).join(' · ');
      for (const button of row.querySelectorAll('.step')) button.hidden = !isPiece(line);
    },
  );
  if (lines.children.length > before) lines.lastElementChild.scrollIntoView({ block: 'nearest' });
}

/** @param {number} index */
function createLine(index) {
  const step = (/** @type {string} */ label, /** @type {string} */ sign, /** @type {number} */ more) =>
    h('button', { type: 'button', class: 'step', 'aria-label': text(label), onclick: () => count(index, more) }, sign);
  const edit = { type: 'button', class: 'line', onclick: () => editLine(basket.lines[index]) };
  return h('li', {},
    step('one_off', '−', -1000),
    h('button', edit, h('b'), h('span'), h('span'), h('small')),
    step('one_on', '+', 1000));
}

/** @param {{ product: Row }} line */
const isPiece = ({ product }) => product.unit === 'piece';

/** @param {Row} product */
async function add(product) {
  const { times } = shelf.asked();
  shelf.clear();
  if (isSelling || !terms) return;
  let more = times || (isPiece({ product }) ? 1000 : 0);
  const isRight = (/** @type {string} */ value) => isQuantity(value, product);
  if (!isRight(String(more / 1000))) {
    const field = { name: 'quantity', label: text('quantity_in', { unit: product.unit }), value: '', isRight };
    const price = money(product.price, product.currency) + per(product);
    const given = await ask(dialog, `${product.name} · ${price}`, [field]);
    if (!given) return;
    more = typed(given.quantity, 3);
  }
  // A price that was changed meanwhile begins another line: this one keeps the price that the customer has seen.
  const isSame = (/** @type {Line} */ { product: one, note, discount }) =>
    one.id === product.id && one.price === product.price && isPiece({ product }) && !note && !discount;
  const same = basket.lines.find(isSame);
  if (same) same.quantity += more;
  else if (basket.lines.length < LINES_MAX) basket.lines.push({ product, quantity: more, discount: 0, note: '' });
  else {
    tone(220, 0.5);
    return toast.say(text('sale_full', { lines: LINES_MAX, parts: PAYMENTS_MAX }));
  }
  changed();
}

/** @param {string} code */
function scanned(code) {
  scannedAt = Date.now();
  if (isSold) dialog.close();
  isSold = false;
  const product = shelf.byCode(code);
  if (product && !dialog.open && !isSelling) {
    tone(1200, 0.08);
    return add(product);
  }
  tone(220, 0.5);
  if (dialog.open) warn(dialog, text('scan_in_dialog'));
  else toast.say(text('unknown_code', { code }));
}

/** @param {number} index @param {number} more in thousandths */
function count(index, more) {
  const line = basket.lines[index];
  if (!line) return;
  line.quantity += more;
  if (line.quantity <= 0) basket.lines.splice(index, 1);
  changed();
}

/** @param {Line} line */
async function editLine(line) {
  const fields = [
    {
      name: 'quantity',
      label: text('quantity'),
      value: asTyped(line.quantity / 1000),
      isRight: (/** @type {string} */ value) => isQuantity(value, line.product),
    },
    {
      name: 'discount',
      label: text('discount_or_percent'),
      value: shownDiscount(line),
      isRight: (/** @type {string} */ value, /** @type {{ [name: string]: string }} */ { quantity: many }) =>
        isDiscount(value, worth(line, typed(many, 3), terms), terms),
    },
    { name: 'note', label: text('note'), value: line.note, inputmode: 'text', maxlength: NOTE_MAX },
  ];
  const given = await ask(dialog, line.product.name, fields, { extra: 'remove' });
  const at = basket.lines.indexOf(line);
  if (!given || at < 0) return;
  if (given.action === 'remove') basket.lines.splice(at, 1);
  else {
    const { quantity: many, note, discount } = given;
    Object.assign(line, { quantity: typed(many, 3), note, ...typedDiscount(discount, terms) });
  }
  changed();
}

/** A discount as it was typed. @param {{ discount: number, percent?: number }} of */
function shownDiscount({ discount, percent }) {
  if (percent) return `${asTyped(percent / 1000)} %`;
  return discount ? asTyped(major(discount, terms), terms.decimals) : '';
}

async function giveDiscount() {
  const isRight = (/** @type {string} */ value) => isDiscount(value, goods(basket, terms), terms);
  const field = { name: 'discount', label: text('discount_or_percent'), value: shownDiscount(basket), isRight };
  const given = await ask(dialog, text('discount'), [field]);
  if (!given) return;
  Object.assign(basket, typedDiscount(given.discount, terms));
  changed();
}

async function giveCustomer() {
  const before = basket;
  const customer = await chooseCustomer(dialog, toast, basket.customer);
  if (customer === undefined || basket !== before) return;
  basket.customer = customer;
  changed();
}

async function sell() {
  if (basket.lines.length === 0 || isSelling || !terms) return;
  isSelling = true;
  try {
    if (!(await pay(dialog, basket, terms, changed))) return;
    const change = 0 - due(basket, terms);
    const entry = await client.outbox.add(saleOf(basket, terms, isHandedOver()));
    newBasket();
    isSold = true;
    onClosed(dialog, () => (isSold = false));
    fill(
      dialog,
      h('div', { class: 'body' },
        h('h2', {}, text('change')),
        h('p', { class: 'big' }, shown(change)),
        h('p', {}, text('sale_kept')),
        h('button', { type: 'button', class: 'main', onclick: () => dialog.close() }, text('next_customer'))),
    );
    entry.done.then(({ state, problem }) => {
      if (state === 'refused') toast.say(text('sale_refused', { reason: problem?.detail || '' }), undefined, LONG);
    });
  } catch (error) {
    dialog.close();
    toast.say(text('not_sold', { reason: String(error) }), undefined, LONG);
  } finally {
    isSelling = false;
  }
}

/** Takes up a held basket; the open one is held in its place. */
async function takeHeld() {
  const chosen = await choose(dialog, text('held', { count: held.length }), held, (one) => [
    h('time', {}, new Date(one.at).toLocaleTimeString([], { timeStyle: 'short' })),
    h('span', {}, one.customer ? one.customer.name : one.lines.map(({ product }) => product.name).join(', ')),
    h('b', {}, shown(sums(one, terms).total)),
  ]);
  if (!chosen || !held.includes(chosen)) return;
  held = [...held.filter((one) => one !== chosen), ...(basket.lines.length > 0 ? [basket] : [])];
  newBasket(chosen);
}

function clear() {
  const before = basket;
  // Money that was taken has to be given back first, or nobody knows of it any more.
  if (before.payments.length > 0) return toast.say(text('paid_in_part'));
  newBasket();
  const undo = () => {
    if (basket.lines.length > 0) held = [...held, basket];
    newBasket(before);
  };
  toast.say(text('cleared'), { label: text('undo'), act: undo });
}

/**
 * Keys: letters search, Enter adds the first that was found or pays, `+` and `-` change the last line.
 *
 * @param {KeyboardEvent} event
 */
function key(event) {
  const { target, key } = event;
  if (key !== 'Enter') scannedAt = 0;
  const isElsewhere = target !== search && target !== document.body;
  if (dialog.open || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  if (key === 'Escape') shelf.clear();
  else if (key === 'Enter' && !isElsewhere) {
    event.preventDefault();
    if (Date.now() - scannedAt < SCANNED_WITHIN) return;
    const product = shelf.byWords();
    if (!search.value.trim()) sell();
    else if (product && shelf.asked().words) add(product);
  } else if ((key === '+' || key === '-') && !search.value && basket.lines.length > 0) {
    event.preventDefault();
    const last = basket.lines.length - 1;
    if (isPiece(basket.lines[last])) count(last, key === '+' ? 1000 : -1000);
  } else if (key.length === 1 && key !== ' ') search.focus();
}

function hold() {
  held = [...held, basket];
  newBasket();
}

/** Hears the cashier, once there is a basket. */
function listen() {
  const sales = () => terms && openSales({ dialog, toast, terms, products: products.items });
  const acts = { pay: sell, discount: giveDiscount, customer: giveCustomer, clear, hold, held: takeHeld, sales };
  for (const [id, act] of Object.entries(acts)) at(`#${id}`).addEventListener('click', act);
  addEventListener('keydown', key);
  onScan(scanned);
}
