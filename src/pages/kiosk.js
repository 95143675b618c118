// @ts-check
/** The kiosk: a customer chooses, and gets a number. It is alone, so it asks the server before it promises. */
import { amounts, uuid } from './client.js';
import { client, h, money, onFrame, ready, recall, shop, show, text, whoami } from './app.js';
import './taps.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {import('./basket.js').Terms} Terms */

/** Without a touch for so long, the next customer begins anew; milliseconds. */
const IDLE = 60000;
/** The texts of what the server may say against an order. */
const REASONS = /** @type {{ [code: string]: string }} */ ({
  out_of_stock: 'sold_out_meanwhile',
  total_changed: 'price_changed',
});
/** The angle between the colours of two categories; it is golden, so that any number of them differ. */
const HUE_STEP = 137.5;

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const toast = at('shop-toast');
const products = client.live('/api/products?status=published&order=asc', { keep: true });
/** @type {Map<number, number>} pieces by product */
const basket = new Map();
/** The name of the sale: a second touch of a slow button must not order twice. */
let client_id = uuid();
let category = '';
/** @type {Terms | undefined} */
let terms;
/** @type {any} */
let idle = null;
let isSending = false;
const draw = onFrame(render);
start();

async function start() {
  await ready();
  terms = recall('shop');
  await whoami();
  products.subscribe(draw);
  client.on('state', ({ state }) => state === 'live' && readTerms());
  for (const touch of ['pointerdown', 'keydown']) addEventListener(touch, touched, true);
  await readTerms();
}

async function readTerms() {
  terms = (await shop()) || terms;
  draw();
}

function touched() {
  clearTimeout(idle);
  idle = setTimeout(restart, IDLE);
}

/** Nothing of the last customer is left to the next one. */
function restart() {
  basket.clear();
  client_id = uuid();
  category = '';
  for (const place of ['#products', '#categories', '#lines']) at(place).scrollTop = 0;
  toast.replaceChildren();
  if (at('#done').open) at('#done').close();
  /** @type {HTMLElement} */ (document.activeElement)?.blur();
  draw();
}

/** Goods by the piece: a kiosk has no scale. */
function goods() {
  return products.items.filter((product) => product.unit === 'piece');
}

/** @param {Row} product */
const countOf = (product) => basket.get(product.id) || 0;
/** @param {Row} product */
const categoryOf = (product) => product.category || text('other');
/** @param {Row} product */
const isSoldOut = (product) => product.stock !== null && product.stock <= countOf(product);

function render() {
  if (!terms) return;
  forgetGone();
  const names = [...new Set(goods().map(categoryOf))].sort();
  if (!names.includes(category)) category = names[0] || '';
  const open = (/** @type {string} */ name) => {
    category = name;
    at('#products').scrollTop = 0;
    draw();
  };
  show(
    at('#categories'),
    names,
    (name) => name,
    (name) => h('button', { type: 'button', onclick: () => open(name) }, name),
    (button, name) => {
      button.setAttribute('aria-pressed', String(name === category));
      paint(button, names, name);
    },
  );
  show(
    at('#products'),
    goods().filter((product) => categoryOf(product) === category),
    (product) => product.id,
    createTile,
    (tile, product) => {
      updateTile(tile, product);
      paint(tile, names, category);
    },
  );
  const chosen = products.items.filter((product) => basket.has(product.id));
  show(at('#lines'), chosen, (product) => product.id, createLine, updateLine);
  at('#order').textContent = text('order_for', { amount: money(total(chosen, terms), terms.currency) });
  at('#order').disabled = basket.size === 0 || isSending;
  at('#clear').hidden = basket.size === 0;
}

/** Takes what is not sold any more out of the basket, and what is more than there is. */
function forgetGone() {
  if (products.state !== 'live' || isSending) return;
  const here = new Map(goods().map((product) => [product.id, product]));
  for (const [id, count] of [...basket]) {
    const product = here.get(id);
    const stock = product ? product.stock : 0;
    if (stock === null || stock >= count) continue;
    if (stock > 0) basket.set(id, stock);
    else basket.delete(id);
    toast.say(text('sold_out_meanwhile'));
  }
}

/**
 * Gives an element the colour of a category.
 *
 * @param {HTMLElement} element
 * @param {string[]} names of all categories
 * @param {string} name
 */
function paint(element, names, name) {
  element.style.setProperty('--hue', String(Math.round(30 + names.indexOf(name) * HUE_STEP) % 360));
}

/** @param {Row} product */
function createTile({ id }) {
  const cells = [h('i', { 'aria-hidden': 'true' }), h('b'), h('span'), h('em')];
  return h('button', { type: 'button', onclick: () => take(id, 1) }, ...cells);
}

/** @param {any} tile @param {Row} product */
function updateTile(tile, product) {
  const count = countOf(product);
  at('i', tile).textContent = initials(product.name);
  at('b', tile).textContent = product.name;
  at('span', tile).textContent = isSoldOut(product) ? text('sold_out') : money(product.price, product.currency);
  at('em', tile).textContent = count > 0 ? String(count) : '';
  tile.disabled = isSoldOut(product);
}

/** Two letters for a picture: those of the first two words, or of the only one. @param {string} name */
function initials(name) {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const [first = [], second] = words.map((word) => [...word]);
  return `${(first[0] || '').toUpperCase()}${second ? second[0].toUpperCase() : first[1] || ''}`;
}

/** @param {Row} product */
function createLine({ id, name }) {
  const step = (/** @type {string} */ sign, /** @type {string} */ label, /** @type {number} */ more) =>
    h('button', { type: 'button', 'aria-label': text(label, { name }), onclick: () => take(id, more) }, sign);
  return h('li', {}, step('−', 'one_less', -1), h('span'), step('+', 'one_of', 1));
}

/** @param {any} line @param {Row} product */
function updateLine(line, product) {
  at('span', line).textContent = `${countOf(product)} × ${product.name}`;
  at('button:last-child', line).disabled = isSoldOut(product);
}

/** The amount that the customer will pay, as the server works it out. @param {Row[]} chosen @param {Terms} shop */
function total(chosen, { decimals, tax }) {
  const minor = 10 ** decimals;
  const lines = chosen.map((product) => ({
    quantity: 1000 * countOf(product),
    unit_price: Math.round(product.price * minor),
    tax_rate: product.tax_rate === null ? null : Math.round(product.tax_rate * 1000),
  }));
  return amounts(lines, { added: tax === 'added' }).total / minor;
}

/** @param {number} id @param {number} more */
function take(id, more) {
  if (isSending) return;
  const product = products.items.find((one) => one.id === id);
  if (!product || (more > 0 && isSoldOut(product))) return;
  const count = countOf(product) + more;
  if (count > 0) basket.set(id, count);
  else basket.delete(id);
  draw();
}

async function order() {
  if (isSending || !terms) return;
  isSending = true;
  draw();
  const chosen = products.items.filter((product) => basket.has(product.id));
  const items = [...basket].map(([product_id, count]) => ({ product_id, quantity: count }));
  try {
    const sale = { client_id, items, total: total(chosen, terms) };
    const { status, body } = await client.request('POST', '/api/sales', sale);
    if (status === 201 || status === 200) {
      at('#number').textContent = String(Number(body.order.order_number.slice(4)));
      basket.clear();
      client_id = uuid();
      at('#done').showModal();
    } else {
      client_id = uuid(); // the basket may be another one the next time
      toast.say(text(REASONS[body.code] || 'ask_staff'));
    }
  } catch {
    toast.say(text('ask_staff'));
  }
  isSending = false;
  draw();
}

at('#order').addEventListener('click', order);
at('#clear').addEventListener('click', restart);
at('#done button').addEventListener('click', restart);
at('#done').addEventListener('cancel', restart);
