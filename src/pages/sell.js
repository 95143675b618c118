// @ts-check
/** The till. Each sale goes through the outbox, so it sells without the server. */
import { amounts } from './client.js';
import { client, h, money, onFrame, quantity, ready, recall, remember, shop, show, text, tone, whoami } from './app.js';
import { onScan, sameCode } from './scan.js';

/** @typedef {import('./client.js').Row} Row */
/**
 * @typedef {object} Line
 * @property {Row} product
 * @property {number} quantity in thousandths
 * @property {number} discount in minor units
 * @property {string} note
 */
/**
 * @typedef {object} Basket
 * @property {Line[]} lines
 * @property {number} discount in minor units
 * @property {{ id: number, name: string } | null} customer
 */

const CASH = 'cash';
const CARD = 'card';
const NOTES = [5, 10, 20, 50, 100];

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const toast = at('shop-toast');
const dialog = at('#dialog');
const products = client.live('/api/products?status=published&order=asc', { keep: true });
/** @type {Basket} */
let basket = recall('basket') || emptyBasket();
/** @type {Basket[]} */
let held = recall('held') || [];
let category = '';
/** @type {{ currency: string, decimals: number, tax: string }} */
let terms;
const draw = onFrame(render);
start();

async function start() {
  await ready();
  await whoami();
  terms = (await shop()) || terms;
  at('#search').placeholder = text('search');
  products.subscribe(draw);
  client.on('outbox', () => {});
  draw();
}

/** @returns {Basket} */
function emptyBasket() {
  return { lines: [], discount: 0, customer: null };
}

/** Minor units of an amount. @param {number} amount */
const minor = (amount) => Math.round(amount * 10 ** terms.decimals);
/** @param {number} units */
const major = (units) => units / 10 ** terms.decimals;
/** @param {number} units */
const shown = (units) => money(major(units), terms.currency);

function sums() {
  const lines = basket.lines.map((line) => ({
    quantity: line.quantity,
    unit_price: minor(line.product.price),
    discount: line.discount,
    tax_rate: line.product.tax_rate === null ? null : Math.round(line.product.tax_rate * 1000),
  }));
  return amounts(lines, { discount: basket.discount, added: terms.tax === 'added' });
}

function render() {
  if (!terms) return;
  renderProducts();
  const { line_totals, tax_total, total } = sums();
  show(
    at('#lines'),
    basket.lines.map((line, index) => ({ line, index })),
    ({ index }) => index,
    ({ index }) =>
      h('li', {}, h('button', { type: 'button', onclick: () => editLine(index) }, h('b'), h('span'), h('span'), h('small'))),
    (row, { line, index }) => {
      const [name, price] = row.querySelectorAll('span');
      const unit = line.product.unit === 'piece' ? '' : ` ${line.product.unit}`;
      at('b', row).textContent = quantity(line.quantity / 1000) + unit;
      name.textContent = line.product.name;
      price.textContent = shown(line_totals[index]);
      const less = line.discount ? text('less', { amount: shown(line.discount) }) : '';
      at('small', row).textContent = [line.note, less].filter(Boolean).join(' · ');
    },
  );
  at('#empty').hidden = basket.lines.length > 0;
  /** @type {[string, string, string?][]} */
  const parts = [];
  if (basket.customer) parts.push([text('customer'), basket.customer.name]);
  if (basket.discount) parts.push([text('discount'), `−${shown(basket.discount)}`]);
  if (tax_total) parts.push([text(terms.tax === 'added' ? 'tax_added' : 'tax_included'), shown(tax_total)]);
  parts.push([text('total'), shown(total), 'total']);
  at('#sums').replaceChildren(
    ...parts.flatMap(([name, value, kind]) => [h('dt', { class: kind }, name), h('dd', { class: kind }, value)]),
  );
  for (const id of ['hold', 'discount', 'clear', 'pay']) at(`#${id}`).disabled = basket.lines.length === 0;
  at('#pay').textContent = text('pay', { amount: shown(total) });
  at('#held').textContent = text('held', { count: held.length });
  at('#held').disabled = held.length === 0;
  remember('basket', basket);
  remember('held', held);
}

function renderProducts() {
  const words = at('#search').value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (/** @type {Row} */ product) => {
    const searched = `${product.name} ${product.sku} ${product.barcode || ''}`.toLowerCase();
    return (!category || product.category === category) && words.every((/** @type {string} */ word) => searched.includes(word));
  };
  const names = [...new Set(products.items.map((product) => product.category).filter(Boolean))].sort();
  show(
    at('#categories'),
    names.length > 1 ? ['', ...names] : [],
    (name) => name || '*',
    (name) => {
      const choose = () => {
        category = name;
        draw();
      };
      return h('button', { type: 'button', onclick: choose }, name || text('all'));
    },
    (button, name) => button.setAttribute('aria-pressed', String(name === category)),
  );
  show(
    at('#products'),
    products.items.filter(fits).slice(0, 200),
    (product) => product.id,
    (product) => {
      const choose = () => add(/** @type {Row} */ (products.items.find(({ id }) => id === product.id)));
      const small = h('small', {}, h('span'), h('span'));
      return h('button', { type: 'button', class: 'product', onclick: choose }, h('b'), small);
    },
    (button, product) => {
      const [price, stock] = button.querySelectorAll('span');
      const unit = product.unit === 'piece' ? '' : ` / ${product.unit}`;
      at('b', button).textContent = product.name;
      price.textContent = shown(minor(product.price)) + unit;
      stock.textContent = product.stock === null ? '' : quantity(product.stock);
      button.classList.toggle('none', product.stock !== null && product.stock <= 0);
    },
  );
}

/** @param {Row} product */
async function add(product) {
  let more = 1000;
  if (product.unit !== 'piece') {
    const given = await ask(product.name, [
      { name: 'quantity', label: product.unit, type: 'number', step: '0.001', min: '0.001', value: '' },
    ]);
    if (!given) return;
    more = Math.round(Number(given.quantity) * 1000);
  }
  const same = basket.lines.find((line) => line.product.id === product.id && !line.note && !line.discount);
  if (same && product.unit === 'piece') same.quantity += more;
  else basket.lines.push({ product, quantity: more, discount: 0, note: '' });
  draw();
}

/** @param {string} code */
function scanned(code) {
  if (dialog.open) return;
  const product = products.items.find((one) => sameCode(one.barcode, code));
  if (product) {
    tone(1200, 0.08);
    add(product);
  } else {
    tone(220, 0.5);
    toast.say(text('unknown_code', { code }));
  }
}

/** @param {number} index */
async function editLine(index) {
  const line = basket.lines[index];
  const step = line.product.unit === 'piece' ? '1' : '0.001';
  const given = await ask(
    line.product.name,
    [
      { name: 'quantity', label: text('quantity'), type: 'number', step, min: '0', value: String(line.quantity / 1000) },
      { name: 'discount', label: text('discount'), type: 'number', step: String(major(1)), min: '0', value: String(major(line.discount)) },
      { name: 'note', label: text('note'), type: 'text', value: line.note },
    ],
    text('remove'),
  );
  if (!given) return;
  line.quantity = Math.round(Number(given.quantity) * 1000);
  line.note = given.note;
  line.discount = minor(Number(given.discount));
  const most = sums().line_totals[index] + line.discount;
  line.discount = Math.min(line.discount, most);
  if (given.extra || line.quantity <= 0) basket.lines.splice(index, 1);
  fitDiscount();
  draw();
}

function fitDiscount() {
  const goods = sums().line_totals.reduce((sum, total) => sum + total, 0);
  basket.discount = Math.min(basket.discount, goods);
}

async function giveDiscount() {
  const field = { name: 'discount', label: text('discount_or_percent'), type: 'text', value: '' };
  const given = await ask(text('discount'), [field]);
  if (!given) return;
  const told = given.discount.replace(',', '.');
  const goods = sums().line_totals.reduce((sum, total) => sum + total, 0);
  const part = told.trim().endsWith('%') ? Math.round((goods * parseFloat(told)) / 100) : minor(parseFloat(told));
  basket.discount = Math.max(0, part || 0);
  fitDiscount();
  draw();
}

async function chooseCustomer() {
  const given = await ask(text('customer'), [{ name: 'name', label: text('customer_name'), type: 'text', value: '' }], text('none'));
  if (!given) return;
  basket.customer = null;
  if (!given.extra && given.name) {
    try {
      const found = await findCustomer(given.name.toLowerCase());
      if (found) basket.customer = found;
      else toast.say(text('no_customer', { name: given.name }));
    } catch {
      toast.say(text('not_reached'));
    }
  }
  draw();
}

/** @param {string} words */
async function findCustomer(words) {
  let after = '';
  do {
    const { status, body } = await client.request('GET', `/api/customers?limit=200${after}`);
    if (status !== 200) return null;
    for (const one of body.data) {
      const name = [one.first_name, one.last_name].filter(Boolean).join(' ');
      if (`${name} ${one.email || ''} ${one.phone || ''}`.toLowerCase().includes(words)) {
        return { id: one.id, name: name || one.email };
      }
    }
    after = body.next ? `&after=${body.next}` : '';
  } while (after);
  return null;
}

/** Takes the payments, until nothing is due; then the sale is made. */
function pay() {
  const { total } = sums();
  /** @type {{ gateway: string, amount: number }[]} */
  const payments = [];
  const paid = () => payments.reduce((sum, { amount }) => sum + amount, 0);
  const renderPay = () => {
    const due = total - paid();
    const amount = h('input', { type: 'number', step: String(major(1)), min: '0', value: String(major(Math.max(due, 0))), 'aria-label': text('amount') });
    const take = (/** @type {string} */ gateway, /** @type {number} */ given) => {
      if (!(given > 0) || (gateway !== CASH && given > due)) return tone(220, 0.3);
      payments.push({ gateway, amount: given });
      if (total - paid() > 0) renderPay();
      else finish(payments, paid() - total);
    };
    const notes = NOTES.map(minor).filter((note) => note > due).slice(0, 3);
    dialog.replaceChildren(
      h('div', { class: 'body' },
        h('h2', {}, text('due')),
        h('p', { class: 'big' }, shown(due)),
        h('ul', {}, ...payments.map((one) => h('li', {}, `${text(one.gateway)} ${shown(one.amount)}`))),
        h('div', { class: 'row' },
          h('button', { type: 'button', class: 'main', onclick: () => take(CASH, due) }, text('cash_exact')),
          ...notes.map((note) => h('button', { type: 'button', onclick: () => take(CASH, note) }, shown(note)))),
        h('div', { class: 'row' },
          amount,
          h('button', { type: 'button', onclick: () => take(CASH, minor(Number(amount.value))) }, text('cash')),
          h('button', { type: 'button', onclick: () => take(CARD, minor(Number(amount.value))) }, text('card'))),
        h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
    );
  };
  if (total === 0) return finish([], 0);
  renderPay();
  dialog.showModal();
}

/** @param {{ gateway: string, amount: number }[]} payments @param {number} change */
async function finish(payments, change) {
  const { total } = sums();
  const sale = {
    items: basket.lines.map((line) => ({
      product_id: line.product.id,
      quantity: line.quantity / 1000,
      unit_price: line.product.price,
      ...(line.discount ? { discount: major(line.discount) } : {}),
      ...(line.note ? { note: line.note } : {}),
    })),
    ...(basket.discount ? { discount: major(basket.discount) } : {}),
    ...(basket.customer ? { customer_id: basket.customer.id } : {}),
    payments: payments.map(({ gateway, amount }) => ({ gateway, amount: major(amount) })),
    total: major(total),
  };
  try {
    const entry = await client.outbox.add(sale);
    basket = emptyBasket();
    draw();
    dialog.replaceChildren(
      h('div', { class: 'body' },
        h('h2', {}, text('change')),
        h('p', { class: 'big' }, shown(change)),
        h('p', {}, text('sale_kept')),
        h('button', { type: 'button', class: 'main', onclick: () => dialog.close() }, text('next_customer'))),
    );
    if (!dialog.open) dialog.showModal();
    const end = await entry.done;
    if (end.state === 'refused') toast.say(text('sale_refused', { reason: end.problem?.detail || '' }), undefined, 60_000);
  } catch (error) {
    toast.say(text('not_sold', { reason: String(error) }), undefined, 60_000);
  }
}

async function refund() {
  const given = await ask(text('refund'), [{ name: 'number', label: text('order_number'), type: 'text', value: '' }]);
  if (!given) return;
  const number = `ORD-${given.number.replace(/\D/g, '').padStart(10, '0')}`;
  try {
    const { body } = await client.request('GET', `/api/orders?order_number=${number}`);
    const order = body.data && body.data[0];
    if (!order) return toast.say(text('no_order', { number }));
    const fields = order.items.map((/** @type {any} */ item, /** @type {number} */ line) => ({
      name: `line${line}`,
      label: `${item.name} (${quantity(item.quantity)})`,
      type: 'number',
      step: '0.001',
      min: '0',
      max: String(item.quantity),
      value: '0',
    }));
    const back = await ask(text('refund_order', { number }), [
      ...fields,
      { name: 'amount', label: text('amount'), type: 'number', step: String(major(1)), min: String(major(1)), max: String(order.total), value: String(order.total) },
    ]);
    if (!back) return;
    const restock = order.items
      .map((/** @type {any} */ _, /** @type {number} */ line) => ({ line, quantity: Number(back[`line${line}`]) }))
      .filter((/** @type {any} */ one) => one.quantity > 0);
    const transaction = { order_id: order.id, type: 'refund', status: 'completed', gateway: CASH, amount: Number(back.amount), restock };
    const { status, body: told } = await client.request('POST', '/api/transactions', transaction);
    toast.say(status === 201 ? text('refunded', { amount: shown(minor(transaction.amount)) }) : told.detail);
  } catch {
    toast.say(text('not_reached'));
  }
}

/**
 * Asks for some values. Resolves with them, with `extra` if the second button was chosen, or `null`.
 *
 * @param {string} title
 * @param {{ name: string, label: string, type: string, value: string, [attribute: string]: string }[]} fields
 * @param {string} [extra]
 * @returns {Promise<{ [name: string]: string } | null>}
 */
function ask(title, fields, extra) {
  return new Promise((resolve) => {
    const inputs = fields.map(({ label, ...attributes }) => ({ label, input: h('input', { autocomplete: 'off', inputmode: attributes.type === 'number' ? 'decimal' : 'text', ...attributes }) }));
    const values = () => Object.fromEntries(inputs.map(({ input }) => [input.name, input.value]));
    const end = (/** @type {any} */ value) => {
      dialog.removeEventListener('close', cancelled);
      dialog.close();
      resolve(value);
    };
    const cancelled = () => end(null);
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      end(values());
    };
    dialog.addEventListener('close', cancelled);
    dialog.replaceChildren(
      h('form', { method: 'dialog', onsubmit: submit },
        h('h2', {}, title),
        ...inputs.map(({ label, input }) => h('label', {}, label, input)),
        h('div', { class: 'row' },
          extra ? h('button', { type: 'button', onclick: () => end({ ...values(), extra: 'yes' }) }, extra) : null,
          h('button', { type: 'button', onclick: () => end(null) }, text('back')),
          h('button', { class: 'main' }, text('ok')))),
    );
    dialog.showModal();
    inputs[0].input.select();
  });
}

at('#search').addEventListener('input', draw);
at('#pay').addEventListener('click', pay);
at('#discount').addEventListener('click', giveDiscount);
at('#customer').addEventListener('click', chooseCustomer);
at('#refund').addEventListener('click', refund);
at('#clear').addEventListener('click', () => {
  const before = basket;
  basket = emptyBasket();
  draw();
  toast.say(text('cleared'), { label: text('undo'), act: () => ((basket = before), draw()) });
});
at('#hold').addEventListener('click', () => {
  held = [...held, basket];
  basket = emptyBasket();
  draw();
});
at('#held').addEventListener('click', () => {
  const [first, ...rest] = held;
  held = basket.lines.length > 0 ? [...rest, basket] : rest;
  basket = first;
  draw();
});
onScan(scanned);
