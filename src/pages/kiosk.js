// @ts-check
/** The kiosk: a customer chooses, and gets a number. It is alone, so it asks the server before it promises. */
import { amounts, uuid } from './client.js';
import { client, h, money, onFrame, quantity, ready, shop, show, text, whoami } from './app.js';

/** @typedef {import('./client.js').Row} Row */

/** Without a touch for so long, the next customer begins anew; milliseconds. */
const IDLE = 60000;

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const toast = at('shop-toast');
const products = client.live('/api/products?status=published&order=asc', { keep: true });
/** @type {Map<number, number>} pieces by product */
const basket = new Map();
/** The name of the sale: a second touch of a slow button must not order twice. */
let client_id = uuid();
let category = '';
let terms = { currency: 'USD', decimals: 2, tax: 'included' };
/** @type {any} */
let idle = null;
let isSending = false;
const draw = onFrame(render);
start();

async function start() {
  await ready();
  await whoami();
  terms = (await shop()) || terms;
  products.subscribe(draw);
  addEventListener('pointerdown', touched, true);
  draw();
}

function touched() {
  clearTimeout(idle);
  idle = setTimeout(restart, IDLE);
}

function restart() {
  basket.clear();
  client_id = uuid();
  category = '';
  at('#products').scrollTop = 0;
  if (at('#done').open) at('#done').close();
  draw();
}

/** Goods by the piece: a kiosk has no scale. */
function goods() {
  return products.items.filter((product) => product.unit === 'piece');
}

/** @param {Row} product */
const isSoldOut = (product) => product.stock !== null && product.stock <= (basket.get(product.id) || 0);

function render() {
  const names = [...new Set(goods().map((product) => product.category || text('other')))].sort();
  if (!names.includes(category)) category = names[0] || '';
  show(
    at('#categories'),
    names,
    (name) => name,
    (name) => h('button', { type: 'button', onclick: () => ((category = name), draw()) }, name),
    (button, name) => button.setAttribute('aria-pressed', String(name === category)),
  );
  show(
    at('#products'),
    goods().filter((product) => (product.category || text('other')) === category),
    (product) => product.id,
    (product) => h('button', { type: 'button', onclick: () => take(product.id, 1) }, h('b'), h('span')),
    (button, product) => {
      at('b', button).textContent = product.name;
      at('span', button).textContent = isSoldOut(product) ? text('sold_out') : money(product.price, product.currency);
      button.disabled = isSoldOut(product);
    },
  );
  const chosen = products.items.filter((product) => basket.has(product.id));
  show(
    at('#lines'),
    chosen,
    (product) => product.id,
    (product) => h('button', { type: 'button', onclick: () => take(product.id, -1) }),
    (button, product) => {
      const shown = `${quantity(basket.get(product.id) || 0)} × ${product.name} ✕`;
      button.textContent = shown;
      button.setAttribute('aria-label', `${shown} ${text('one_less', { name: product.name })}`);
    },
  );
  at('#order').textContent = text('order_for', { amount: money(total(chosen), terms.currency) });
  at('#order').disabled = basket.size === 0 || isSending;
  at('#clear').hidden = basket.size === 0;
}

/** The amount that the customer will pay, as the server works it out. @param {Row[]} chosen */
function total(chosen) {
  const minor = 10 ** terms.decimals;
  const lines = chosen.map((product) => ({
    quantity: 1000 * (basket.get(product.id) || 0),
    unit_price: Math.round(product.price * minor),
    tax_rate: product.tax_rate === null ? null : Math.round(product.tax_rate * 1000),
  }));
  return amounts(lines, { added: terms.tax === 'added' }).total / minor;
}

/** @param {number} id @param {number} more */
function take(id, more) {
  const count = (basket.get(id) || 0) + more;
  if (count > 0) basket.set(id, count);
  else basket.delete(id);
  draw();
}

async function order() {
  isSending = true;
  draw();
  const items = [...basket].map(([product_id, count]) => ({ product_id, quantity: count }));
  try {
    const { status, body } = await client.request('POST', '/api/sales', { client_id, items });
    if (status === 201 || status === 200) {
      at('#number').textContent = String(Number(body.order.order_number.slice(4)));
      basket.clear();
      client_id = uuid();
      at('#done').showModal();
    } else {
      client_id = uuid(); // the basket may be another one the next time
      toast.say(body.code === 'out_of_stock' ? text('sold_out_meanwhile') : text('ask_staff'));
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
