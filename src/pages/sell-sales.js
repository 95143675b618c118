// @ts-check
/**
 * The sales of this till: what the server has, what it does not have yet, and what it refused; and their refunds. A
 * refund is stored on this till before it is told to the server, which makes it once.
 */
import { CARD, CASH, major, minor, typed, worth } from './basket.js';
import { uuid } from './client.js';
import { client, h, money, quantity, text } from './app.js';
import { asTyped, ask, choose, fill } from './ask.js';
import { makeQueue, reach } from './queue.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {import('./client.js').Entry} Entry */
/**
 * @typedef {object} Desk
 * @property {any} dialog
 * @property {any} toast
 * @property {import('./basket.js').Terms} terms
 * @property {readonly Row[]} products
 */
/**
 * @typedef {object} Known A sale, as far as it is known.
 * @property {Row} order
 * @property {any[]} payments
 * @property {string} [sale] Its `client_id`.
 * @property {boolean} [isOld] Whether the server was not asked.
 */
/**
 * @typedef {object} Refund
 * @property {string} key Makes it one, however often it is sent.
 * @property {number} order The order's id, or 0 while only the sale is known.
 * @property {string} [sale] The `client_id` of a sale of this till.
 * @property {string} gateway
 * @property {number} amount
 * @property {{ line: number, quantity: number }[]} restock
 * @property {number} made
 * @property {number} [tried] The time at which it was sent first.
 * @property {any} [problem]
 */

/** The server forgets a key after a day; clocks differ by less than this. Milliseconds. */
const CLOCKS = 10000;
const LONG = 60000;

/** Prints the receipt of an order again, once there is a printer; until then there is no button for it. */
export const receipts = { print: /** @type {((order: Row) => void) | null} */ (null) };

/** Shows the sales, the newest first, and the one that is chosen. @param {Desk} desk */
export async function openSales(desk) {
  const { dialog, terms } = desk;
  const line = (/** @type {number} */ at, /** @type {string} */ name, /** @type {number} */ sum) => [
    h('time', {}, new Date(at).toLocaleTimeString([], { timeStyle: 'short' })),
    h('span', {}, name),
    h('b', {}, money(sum, terms.currency)),
  ];
  const entries = (await client.outbox.list()).reverse();
  const rows = [
    { content: [h('span', {}, text('by_number'))], open: () => askNumber(desk) },
    ...refunds().map((one) => {
      const name = `${text('refund')} · ${text(one.problem ? 'entry_refused' : 'entry_pending')}`;
      return { content: line(one.made, name, -one.amount), open: () => openRefund(desk, one) };
    }),
    ...entries.map((entry) => {
      const { total } = entry.reply ? entry.reply.order : entry.sale;
      return { content: line(entry.at, nameOf(entry), total), open: () => openEntry(desk, entry) };
    }),
  ];
  const chosen = await choose(dialog, text('sales'), rows, ({ content }) => content);
  if (chosen) chosen.open();
}

/** The number that people call out. @param {Row} order */
const short = (order) => text('order_number_is', { number: Number(order.order_number.slice(4)) });

/** @param {Entry} entry */
const nameOf = ({ reply, state }) => (reply ? short(reply.order) : text(`entry_${state}`));

/** @param {Desk} desk */
async function askNumber(desk) {
  const isRight = (/** @type {string} */ value) => /\d/.test(value);
  const field = { name: 'number', label: text('order_number'), value: '', isRight };
  const given = await ask(desk.dialog, text('sales'), [field]);
  if (!given) return;
  const number = given.number.replace(/\D/g, '');
  const known = await read(desk, `order_number=ORD-${number.padStart(10, '0')}`);
  if (known) openOrder(desk, known);
  else if (known === null) desk.toast.say(text('no_order', { number: Number(number) }));
}

/** @param {Desk} desk @param {Entry} entry */
async function openEntry(desk, entry) {
  const { state, reply, id } = entry;
  if (state === 'refused' || state === 'blocked') return openStuck(desk, entry);
  if (!reply) return openOrder(desk, { ...ofSale(desk, entry), sale: id });
  const { order, transactions } = reply;
  // Without the server, what it said when it was sold.
  const known = client.state === 'offline' ? null : await read(desk, `ids=${order.id}`);
  openOrder(desk, { ...(known || { order, payments: transactions, isOld: true }), sale: id });
}

/** A sale that the server has, as it is there now; `null` if it has none. @param {Desk} desk @param {string} query */
async function read({ toast }, query) {
  try {
    const { status, body } = await client.request('GET', `/api/orders?${query}`);
    if (status !== 200) return toast.say(body.detail);
    const [order] = body.data;
    if (!order) return null;
    const path = `/api/transactions?order_id=${order.id}&order=asc&limit=200`;
    const { status: told, body: paid } = await client.request('GET', path);
    if (told !== 200) return toast.say(paid.detail);
    return /** @type {Known} */ ({ order, payments: paid.data });
  } catch {
    toast.say(text('not_reached'));
  }
}

/** What is known of a sale that the server does not have. @param {Desk} desk @param {Entry} entry @returns {Known} */
function ofSale({ terms, products }, { sale }) {
  const items = sale.items.map((/** @type {any} */ item) => {
    const product = products.find(({ id }) => id === item.product_id);
    const name = product ? product.name : text('goods');
    const thousandths = Math.round(item.quantity * 1000);
    const line = { product: { id: 0, price: item.unit_price }, quantity: thousandths, discount: 0, note: '' };
    const units = worth(line, thousandths, terms) - minor(item.discount || 0, terms);
    return { ...item, name, line_total: units / 10 ** terms.decimals };
  });
  const payments = [{ type: 'payment', status: 'completed', gateway: sale.payments[0]?.gateway, amount: sale.total }];
  return { order: { id: 0, items, total: sale.total, currency: terms.currency }, payments, isOld: true };
}

/** A sale that does not get to the server. @param {Desk} desk @param {Entry} entry */
function openStuck({ dialog, terms, toast }, { id, sale, state, problem }) {
  const errors = (problem?.errors || []).map(({ field, message }) => `${field} ${message}`);
  const again = () => client.outbox.retry(id).then(() => dialog.close());
  const forget = async () => {
    const sum = money(sale.total, terms.currency);
    if (!(await ask(dialog, text('forget_sale', { sum }), [], { actions: ['forget'] }))) return;
    await client.outbox.remove(id);
    toast.say(text('forgotten', { sum }));
  };
  showStuck(dialog, {
    title: text(`entry_${state}`),
    reason: [problem?.detail, ...errors].filter(Boolean).join(' · '),
    sum: money(sale.total, terms.currency),
    again,
    forget: state === 'refused' ? forget : null,
  });
}

/** A refund that the server does not have. @param {Desk} desk @param {Refund} one */
function openRefund({ dialog, terms, toast }, one) {
  const sum = money(one.amount, terms.currency);
  const forget = async () => {
    if (!(await ask(dialog, text('forget_sale', { sum }), [], { actions: ['forget'] }))) return;
    queue.remove(one);
    toast.say(text('forgotten', { sum }));
  };
  const again = () => {
    queue.change(one, { problem: undefined });
    dialog.close();
  };
  showStuck(dialog, {
    title: `${text('refund')} · ${text(one.problem ? 'entry_refused' : 'entry_pending')}`,
    reason: one.problem?.detail || '',
    sum,
    again: one.problem ? again : null,
    forget: one.problem ? forget : null,
  });
}

/**
 * @param {any} dialog
 * @param {{ title: string, reason: string, sum: string, again: (() => void) | null, forget: (() => void) | null }} what
 */
function showStuck(dialog, { title, reason, sum, again, forget }) {
  fill(
    dialog,
    h('div', { class: 'body' },
      h('h2', {}, title),
      h('p', {}, reason),
      h('p', { class: 'big' }, sum),
      again && h('button', { type: 'button', class: 'main', onclick: again }, text('send_again')),
      forget && h('button', { type: 'button', onclick: forget }, text('forget')),
      h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
  );
}

/** @param {Desk} desk @param {Known} known */
function openOrder(desk, known) {
  const { dialog, terms } = desk;
  const { order, payments, isOld } = known;
  const here = refundedHere(known);
  const left = refundable([...payments, ...here], terms);
  const print = order.id ? receipts.print : null;
  const row = (/** @type {string} */ many, /** @type {string} */ name, /** @type {number} */ sum) =>
    h('li', {}, h('b', {}, many), h('span', {}, name), h('span', {}, money(sum, order.currency)));
  const paid = [...payments, ...here].map(({ type, gateway, amount }) =>
    row('', [type === 'refund' && text('refund'), text(gateway || 'total')].filter(Boolean).join(' · '),
      type === 'refund' ? -amount : amount));
  fill(
    dialog,
    h('div', { class: 'body' },
      h('h2', {}, order.id ? short(order) : text('entry_pending')),
      h('ul', { class: 'items' },
        ...order.items.map((/** @type {any} */ item) => row(quantity(item.quantity), item.name, item.line_total))),
      h('p', { class: 'big' }, money(order.total, order.currency)),
      h('ul', { class: 'items' }, ...paid),
      isOld && order.id ? h('p', {}, text('refund_offline')) : null,
      left > 0 ? h('button', { type: 'button', onclick: () => refund(desk, known, left) }, text('refund')) : null,
      print && h('button', { type: 'button', onclick: () => print(order) }, text('print_again')),
      h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
  );
}

/**
 * The amount that was paid and not given back, in minor units.
 *
 * @param {any[]} transactions
 * @param {Desk['terms']} terms
 */
function refundable(transactions, terms) {
  return transactions
    .filter(({ status }) => status === 'completed')
    .reduce((sum, { type, amount }) => sum + (type === 'refund' ? -1 : 1) * minor(amount, terms), 0);
}

/** @type {ReturnType<typeof makeQueue<Refund>>} */
let queue;
/** @type {any} */
let toast;

/** The refunds of which the cashier knows that they wait. */
const kept = new Set();

/** The refunds that the server does not have. */
export const refunds = () => queue.list();

/** Begins to send what is left of earlier. @param {any} place for messages @param {() => void} changed */
export function beginRefunds(place, changed) {
  toast = place;
  queue = makeQueue('refunds', send, changed);
  client.on('outbox', queue.send); // the sale may have been sent
}

/** The refunds of a sale that the server does not have, as it would show them. @param {Known} known */
function refundedHere({ order, sale }) {
  const isOf = (/** @type {Refund} */ one) => (order.id && one.order === order.id) || (sale && one.sale === sale);
  return refunds()
    .filter((one) => !one.problem && isOf(one))
    .map(({ gateway, amount, restock }) => ({ type: 'refund', status: 'completed', gateway, amount, restock }));
}

/**
 * Asks what is given back, and stores it.
 *
 * @param {Desk} desk
 * @param {Known} known
 * @param {number} left in minor units
 */
async function refund(desk, known, left) {
  const { dialog, terms } = desk;
  const { order, payments, sale } = known;
  const backs = [...payments, ...refundedHere(known)].flatMap(({ restock }) => restock || []);
  /** What may come back of each line, in thousandths. @type {number[]} */
  const most = order.items.map((/** @type {any} */ item, /** @type {number} */ line) =>
    backs.reduce((rest, one) => rest - (one.line === line ? Math.round(one.quantity * 1000) : 0), thousandths(item)));
  const fields = order.items.map((/** @type {any} */ item, /** @type {number} */ line) => ({
    name: String(line),
    label: `${item.name} (${quantity(most[line] / 1000)})`,
    value: '0',
    isRight: (/** @type {string} */ value) => typed(value || '0', 3) <= most[line],
  }));
  const amount = {
    name: 'amount',
    label: text('amount'),
    value: asTyped(major(left, terms), terms.decimals),
    isRight: (/** @type {string} */ value) => typed(value, terms.decimals) > 0 && typed(value, terms.decimals) <= left,
  };
  const propose = (/** @type {any} */ { target, currentTarget: form }) => {
    if (target.name === 'amount') return;
    const back = (/** @type {number} */ line) => typed(form.elements[String(line)].value, 3) || 0;
    form.elements.amount.value = asTyped(major(Math.min(worthOf(order, back, terms), left), terms), terms.decimals);
  };
  const title = order.id ? text('refund_order', { number: Number(order.order_number.slice(4)) }) : text('refund');
  const actions = ['refund_cash', 'refund_card'];
  const given = await ask(dialog, title, [...fields, amount], { actions, oninput: propose });
  if (!given) return;
  queue.add({
    key: uuid(),
    order: order.id,
    sale,
    gateway: given.action === 'refund_cash' ? CASH : CARD,
    amount: major(typed(given.amount, terms.decimals), terms),
    restock: most
      .map((_, line) => ({ line, quantity: (typed(given[line], 3) || 0) / 1000 }))
      .filter(({ quantity: back }) => back > 0),
    made: Date.now(),
  });
}

/** @param {any} item */
const thousandths = (item) => Math.round(item.quantity * 1000);

/**
 * The part of what was paid that goods cost which come back, in minor units.
 *
 * @param {Row} order
 * @param {(line: number) => number} back in thousandths
 * @param {Desk['terms']} terms
 */
function worthOf(order, back, terms) {
  let [whole, part] = [0, 0];
  order.items.forEach((/** @type {any} */ item, /** @type {number} */ line) => {
    const units = minor(item.line_total, terms);
    whole += units;
    part += (units * back(line)) / thousandths(item);
  });
  return Math.round((minor(order.total, terms) * part) / (whole || 1));
}

/** Tells the server of a refund; resolves with whether it is over. @param {Refund} one */
async function send(one) {
  let isOver = false;
  try {
    isOver = await make(one);
  } finally {
    if (!isOver && !one.problem && !kept.has(one.key)) toast.say(text('refund_kept'));
    kept.add(one.key);
  }
  return isOver;
}

/** @param {Refund} one @returns {Promise<boolean>} */
async function make(one) {
  const order_id = one.order || (await orderOf(one));
  if (!order_id) return false;
  if (one.tried && (await isThere(order_id, one))) return true;
  queue.change(one, { order: order_id, tried: one.tried || client.now() });
  const { amount, gateway, restock, key } = one;
  const body = { order_id, type: 'refund', status: 'completed', gateway, amount, restock };
  const { status, body: told } = await reach('POST', '/api/transactions', body, { 'Idempotency-Key': key });
  if (status === 201) {
    toast.say(text('refunded', { amount: money(amount, told.currency) }));
    return true;
  }
  queue.change(one, { problem: told });
  toast.say(text('refund_refused', { reason: told.detail }), undefined, LONG);
  return false;
}

/** The order of a sale that waited, once the server has it. @param {Refund} one @returns {Promise<number>} */
async function orderOf({ sale }) {
  const entry = (await client.outbox.list()).find(({ id }) => id === sale);
  return entry && entry.reply ? entry.reply.order.id : 0;
}

/**
 * Whether the server made it, and its answer was lost: perhaps so long ago, or for another cashier, that the key does
 * not tell any more.
 *
 * @param {number} order
 * @param {Refund} one
 */
async function isThere(order, { amount, gateway, restock, tried = 0 }) {
  const { status, body } = await reach('GET', `/api/transactions?order_id=${order}&limit=200`);
  const own = JSON.stringify([amount, gateway, restock]);
  return status === 200 && body.data.some((/** @type {any} */ row) =>
    row.type === 'refund' &&
    Date.parse(row.created_at) > tried - CLOCKS &&
    JSON.stringify([row.amount, row.gateway, row.restock]) === own);
}
