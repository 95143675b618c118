// @ts-check
/** The numbers that customers wait for: ready, and in preparation. */
import { client, h, onFrame, ready, show, tone, whoami } from './app.js';

/** Orders that were ready for longer were forgotten by their customers. */
const READY_FOR = 2 * 60 * 60000;
const SHOWN = 40;

/** @param {string} selector @returns {any} */
const at = (selector) => document.querySelector(selector);
const orders = client.live('/api/orders?status=pending,processing,ready');
/** @type {Set<number>} */
let wereReady = new Set();
let isFirst = true;

const draw = onFrame(() => {
  const now = client.now();
  const of = (/** @type {string[]} */ ...statuses) =>
    orders.items.filter((order) => statuses.includes(order.status)).slice(0, SHOWN);
  const collected = of('ready').filter((order) => now - Date.parse(order.updated_at) < READY_FOR);
  list('#ready ol', collected);
  list('#processing ol', of('pending', 'processing').reverse());
  const news = collected.filter((order) => !wereReady.has(order.id));
  if (!isFirst && news.length > 0) tone(660, 0.6);
  wereReady = new Set(collected.map((order) => order.id));
  isFirst = isFirst && orders.state !== 'live';
});

/** @param {string} selector @param {readonly import('./client.js').Row[]} shown */
function list(selector, shown) {
  show(
    at(selector),
    shown,
    (order) => order.id,
    (order) => h('li', { class: isFirst ? null : 'new' }, String(Number(order.order_number.slice(4)))),
    () => {},
  );
}

start();

async function start() {
  await ready();
  await whoami();
  orders.subscribe(draw);
  setInterval(draw, 60000);
  draw();
}
