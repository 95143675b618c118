// @ts-check
/** The sales of this till: what the server has, what it does not have yet, and what it refused; and their refunds. */
import { uuid } from './client.js';
import { CARD, CASH, major, minor, typed } from './basket.js';
import { client, h, money, quantity, text } from './app.js';
import { ask, choose, fill } from './ask.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {import('./client.js').Entry} Entry */
/** @typedef {{ dialog: any, toast: any, terms: import('./basket.js').Terms }} Desk */

/** Prints the receipt of an order again, once there is a printer; until then there is no button for it. */
export const receipts = { print: /** @type {((order: Row) => void) | null} */ (null) };

/** Shows the sales, the newest first, and the one that is chosen. @param {Desk} desk */
export async function openSales(desk) {
  /** @type {(Entry | null)[]} */
  const entries = [null, ...(await client.outbox.list()).reverse()];
  const rows = entries.map((entry) => ({ entry }));
  const chosen = await choose(desk.dialog, text('sales'), rows, ({ entry }) => {
    if (!entry) return [h('span', {}, text('by_number'))];
    const { total } = entry.reply ? entry.reply.order : entry.sale;
    const time = new Date(entry.at).toLocaleTimeString([], { timeStyle: 'short' });
    return [h('time', {}, time), h('span', {}, nameOf(entry)), h('b', {}, money(total, desk.terms.currency))];
  });
  if (!chosen) return;
  if (!chosen.entry) askNumber(desk);
  else if (chosen.entry.reply) openOrder(desk, chosen.entry.reply.order.order_number);
  else openEntry(desk, chosen.entry);
}

/** @param {Entry} entry */
function nameOf({ reply, state }) {
  return reply ? text('order_number_is', { number: Number(reply.order.order_number.slice(4)) }) : text(`entry_${state}`);
}

/** @param {Desk} desk */
async function askNumber(desk) {
  const isRight = (/** @type {string} */ value) => /\d/.test(value);
  const given = await ask(desk.dialog, text('sales'), [{ name: 'number', label: text('order_number'), value: '', isRight }]);
  if (given) openOrder(desk, `ORD-${given.number.replace(/\D/g, '').padStart(10, '0')}`);
}

/** A sale that the server does not have. @param {Desk} desk @param {Entry} entry */
function openEntry({ dialog, terms, toast }, entry) {
  const { id, sale, state, problem } = entry;
  const again = () => client.outbox.retry(id).then(() => dialog.close());
  const forget = async () => {
    const sum = money(sale.total, terms.currency);
    if (!(await ask(dialog, text('forget_sale', { sum }), [], { actions: ['forget'] }))) return;
    await client.outbox.remove(id);
    toast.say(text('forgotten', { sum }));
  };
  const isStuck = state === 'refused' || state === 'blocked';
  fill(
    dialog,
    h('div', { class: 'body' },
      h('h2', {}, text(`entry_${state}`)),
      h('p', {}, [problem?.detail, ...(problem?.errors || []).map(({ field, message }) => `${field} ${message}`)].filter(Boolean).join(' · ')),
      h('p', { class: 'big' }, money(sale.total, terms.currency)),
      isStuck ? h('button', { type: 'button', class: 'main', onclick: again }, text('send_again')) : null,
      state === 'refused' ? h('button', { type: 'button', onclick: forget }, text('forget')) : null,
      h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
  );
}

/** A sale that the server has, as it is there now. @param {Desk} desk @param {string} number */
async function openOrder(desk, number) {
  const { dialog, toast, terms } = desk;
  try {
    const { body } = await client.request('GET', `/api/orders?order_number=${number}`);
    const order = body.data && body.data[0];
    if (!order) return toast.say(text('no_order', { number: Number(number.slice(4)) }));
    const { body: paid } = await client.request('GET', `/api/transactions?order_id=${order.id}&limit=200`);
    const left = refundable(paid.data, terms);
    const print = receipts.print;
    fill(
      dialog,
      h('div', { class: 'body' },
        h('h2', {}, text('order_number_is', { number: Number(number.slice(4)) })),
        h('ul', { class: 'items' }, ...order.items.map((/** @type {any} */ item) =>
          h('li', {}, h('b', {}, quantity(item.quantity)), h('span', {}, item.name), h('span', {}, money(item.line_total, order.currency))))),
        h('p', { class: 'big' }, money(order.total, order.currency)),
        h('ul', { class: 'items' }, ...paid.data.map((/** @type {any} */ one) =>
          h('li', {}, h('b', {}), h('span', {}, `${one.type === 'refund' ? `${text('refund')} · ` : ''}${text(one.gateway)}`), h('span', {}, money(one.amount, order.currency))))),
        left > 0 ? h('button', { type: 'button', onclick: () => refund(desk, order, left) }, text('refund')) : null,
        print ? h('button', { type: 'button', onclick: () => print(order) }, text('print_again')) : null,
        h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
    );
  } catch {
    toast.say(text('not_reached'));
  }
}

/** The amount that was paid and not given back, in minor units. @param {any[]} transactions @param {Desk['terms']} terms */
function refundable(transactions, terms) {
  return transactions
    .filter(({ status }) => status === 'completed')
    .reduce((sum, { type, amount }) => sum + (type === 'refund' ? -1 : 1) * minor(amount, terms), 0);
}

/** Gives money back, and takes goods back. @param {Desk} desk @param {Row} order @param {number} left */
async function refund(desk, order, left) {
  const { dialog, terms } = desk;
  const of = (/** @type {any} */ item) => Math.round(item.quantity * 1000);
  const fields = order.items.map((/** @type {any} */ item, /** @type {number} */ line) => ({
    name: String(line),
    label: `${item.name} (${quantity(item.quantity)})`,
    value: '0',
    isRight: (/** @type {string} */ value) => typed(value, 3) <= of(item),
  }));
  const amount = {
    name: 'amount',
    label: text('amount'),
    value: major(left, terms).toFixed(terms.decimals),
    isRight: (/** @type {string} */ value) => typed(value, terms.decimals) > 0 && typed(value, terms.decimals) <= left,
  };
  /** The part of what was paid that the goods cost, which come back. @param {any} event */
  const propose = ({ target, currentTarget: form }) => {
    if (target.name === 'amount') return;
    const worth = (/** @type {any} */ item) => minor(item.line_total, terms);
    const whole = order.items.reduce((/** @type {number} */ sum, /** @type {any} */ item) => sum + worth(item), 0);
    const part = order.items.reduce(
      (/** @type {number} */ sum, /** @type {any} */ item, /** @type {number} */ line) =>
        sum + (worth(item) * (typed(form.elements[String(line)].value, 3) || 0)) / of(item),
      0,
    );
    const units = Math.min(Math.round((minor(order.total, terms) * part) / (whole || 1)), left);
    form.elements.amount.value = major(units, terms).toFixed(terms.decimals);
  };
  const title = text('refund_order', { number: Number(order.order_number.slice(4)) });
  const back = await ask(dialog, title, [...fields, amount], { actions: ['refund_cash', 'refund_card'], oninput: propose });
  if (!back) return;
  const restock = order.items
    .map((/** @type {any} */ _, /** @type {number} */ line) => ({ line, quantity: typed(back[line], 3) / 1000 }))
    .filter((/** @type {any} */ one) => one.quantity > 0);
  const gateway = back.action === 'refund_cash' ? CASH : CARD;
  const given = major(typed(back.amount, terms.decimals), terms);
  send(desk, { order_id: order.id, type: 'refund', status: 'completed', gateway, amount: given, restock }, uuid());
}

/** Sends a refund; the key makes it one, however often it is sent. @param {Desk} desk @param {any} refund @param {string} key */
async function send(desk, refund, key) {
  const { toast, terms } = desk;
  try {
    const { status, body } = await client.request('POST', '/api/transactions', refund, { 'Idempotency-Key': key });
    if (status === 201) toast.say(text('refunded', { amount: money(refund.amount, terms.currency) }));
    else toast.say(body.detail);
  } catch {
    toast.say(text('refund_unknown'), { label: text('send_again'), act: () => send(desk, refund, key) }, 600000);
  }
}
