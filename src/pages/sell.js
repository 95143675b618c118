// @ts-check
/** The till. Each sale goes through the outbox, so it sells without the server. */
import { due, emptyBasket, fitDiscounts, goods, major, minor, saleOf, sums, typed, typedDiscount } from './basket.js';
import { client, h, money, onFrame, quantity, ready, recall, remember, shop, show, text, tone, whoami } from './app.js';
import { ask, choose, fill, onClosed } from './ask.js';
import { onScan, sameCode } from './scan.js';
import { isHandedOver, pay } from './sell-pay.js';
import { openSales } from './sell-sales.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {import('./basket.js').Basket} Basket */
/** @typedef {import('./basket.js').Terms} Terms */

const SELLERS = ['staff', 'admin'];
const PRODUCTS_SHOWN = 200;
const CUSTOMERS_SHOWN = 20;
/** A search for a customer reads at most so many pages of the list. */
const CUSTOMER_PAGES = 25;
/** A scanner may end a code with two keys; milliseconds. */
const SCANNED_WITHIN = 300;

/** @param {string} selector @param {ParentNode} [within] @returns {any} */
const at = (selector, within = document) => within.querySelector(selector);
const toast = at('shop-toast');
const dialog = at('#dialog');
const search = at('#search');
const products = client.live('/api/products?status=published&order=asc', { keep: true });
/** @type {Basket} */
let basket = emptyBasket();
/** @type {Basket[]} */
let held = [];
let category = '';
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
  terms = recall('shop');
  products.subscribe(draw);
  client.on('outbox', forgetSold);
  draw();
  terms = (await shop()) || terms;
  draw();
  const { role, name } = await whoami();
  if (role && !SELLERS.includes(role)) location.href = '/';
  at('#cashier').textContent = name;
}

/** Takes up what was not sold when the page was closed or the browser died. */
async function resume() {
  const entries = await client.outbox.list();
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

/** @param {Basket} [next] */
function newBasket(next = emptyBasket()) {
  basket = next;
  changed();
}

/** Keeps the baskets over a reload, and shows them. */
function changed() {
  remember('basket', basket);
  remember('held', held);
  draw();
}

/** @param {number} units */
const shown = (units) => money(major(units, terms), terms.currency);
/** @param {Row} product */
const per = (product) => (product.unit === 'piece' ? '' : ` / ${product.unit}`);

function render() {
  if (!terms) return;
  renderProducts();
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
  const isEmpty = basket.lines.length === 0;
  at('#empty').hidden = !isEmpty;
  for (const id of ['hold', 'discount', 'clear', 'pay']) at(`#${id}`).disabled = isEmpty;
  at('#pay').textContent = text('pay', { amount: shown(total) });
  at('#held').textContent = text('held', { count: held.length });
  at('#held').hidden = held.length === 0;
}

function renderLines() {
  const { line_totals } = sums(basket, terms);
  const lines = at('#lines');
  const before = lines.children.length;
  show(
    lines,
    basket.lines.map((line, index) => ({ line, index })),
    ({ index }) => index,
    ({ index }) =>
      h('li', {},
        h('button', { type: 'button', class: 'step', 'aria-label': text('one_off'), onclick: () => step(index, -1000) }, '−'),
        h('button', { type: 'button', class: 'line', onclick: () => editLine(index) }, h('b'), h('span'), h('span'), h('small')),
        h('button', { type: 'button', class: 'step', 'aria-label': text('one_on'), onclick: () => step(index, 1000) }, '+')),
    (row, { line, index }) => {
      const [name, price] = row.querySelectorAll('span');
      const unit = line.product.unit === 'piece' ? '' : ` ${line.product.unit}`;
      at('b', row).textContent = quantity(line.quantity / 1000) + unit;
      name.textContent = line.product.name;
      price.textContent = shown(line_totals[index]);
      const less = line.discount ? text('less', { amount: shown(line.discount) }) : '';
      at('small', row).textContent = [line.note, less].filter(Boolean).join(' · ');
      for (const button of row.querySelectorAll('.step')) button.hidden = line.product.unit !== 'piece';
    },
  );
  if (lines.children.length > before) lines.lastElementChild.scrollIntoView({ block: 'nearest' });
}

/** The products that the search and the category leave. @returns {Row[]} */
function found() {
  const words = asked().words.toLowerCase().split(/\s+/).filter(Boolean);
  return products.items.filter((product) => {
    const searched = `${product.name} ${product.sku} ${product.barcode || ''}`.toLowerCase();
    return (!category || product.category === category) && words.every((word) => searched.includes(word));
  });
}

/** The search field: `3*esp` asks for three of something. */
function asked() {
  const [, times, words] = /^(?:\s*([\d.,]+)\s*[*×])?(.*)$/.exec(search.value) || [];
  return { times: times ? typed(times, 3) : 0, words: words || '' };
}

function renderProducts() {
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
    found().slice(0, PRODUCTS_SHOWN),
    (product) => product.id,
    (product) => {
      const choose = (/** @type {MouseEvent} */ event) => {
        // After a touch, Enter is for the payment and not for the same product.
        if (event.detail > 0) /** @type {HTMLElement} */ (event.currentTarget).blur();
        add(/** @type {Row} */ (products.items.find(({ id }) => id === product.id)));
      };
      return h('button', { type: 'button', class: 'product', onclick: choose }, h('b'), h('small', {}, h('span'), h('span')));
    },
    (button, product) => {
      const [price, stock] = button.querySelectorAll('span');
      at('b', button).textContent = product.name;
      price.textContent = shown(minor(product.price, terms)) + per(product);
      stock.textContent = product.stock === null ? '' : quantity(product.stock);
      button.classList.toggle('none', product.stock !== null && product.stock <= 0);
    },
  );
}

/** @param {Row} product */
async function add(product) {
  const isPiece = product.unit === 'piece';
  let more = asked().times || (isPiece ? 1000 : 0);
  search.value = '';
  draw();
  if (!more || (isPiece && more % 1000 !== 0)) {
    const field = { name: 'quantity', label: text('quantity_in', { unit: product.unit }), value: '', isRight: isQuantity(product) };
    const given = await ask(dialog, `${product.name} · ${shown(minor(product.price, terms))}${per(product)}`, [field]);
    if (!given) return;
    more = typed(given.quantity, 3);
  }
  const same = basket.lines.find((line) => line.product.id === product.id && !line.note && !line.discount);
  if (same && isPiece) same.quantity += more;
  else basket.lines.push({ product, quantity: more, discount: 0, note: '' });
  changed();
}

/** Whether a text is a quantity of the product: pieces are whole. @param {Row} product */
function isQuantity(product) {
  return (/** @type {string} */ value) => typed(value, product.unit === 'piece' ? 0 : 3) > 0;
}

/** @param {string} code */
function scanned(code) {
  scannedAt = Date.now();
  if (isSold) dialog.close();
  const product = products.items.find((one) => sameCode(one.barcode, code));
  if (product && !dialog.open) {
    tone(1200, 0.08);
    add(product);
  } else {
    tone(220, 0.5);
    toast.say(dialog.open ? text('scan_in_dialog') : text('unknown_code', { code }));
  }
}

/** @param {number} index @param {number} more in thousandths */
function step(index, more) {
  const line = basket.lines[index];
  line.quantity += more;
  if (line.quantity <= 0) basket.lines.splice(index, 1);
  fitDiscounts(basket, terms);
  changed();
}

/** @param {number} index */
async function editLine(index) {
  const line = basket.lines[index];
  const given = await ask(
    dialog,
    line.product.name,
    [
      {
        name: 'quantity',
        label: text('quantity'),
        value: String(line.quantity / 1000),
        isRight: isQuantity(line.product),
      },
      {
        name: 'discount',
        label: text('discount_or_percent'),
        value: line.discount ? String(major(line.discount, terms)) : '',
        isRight: (value) => typedDiscount(value, 0, terms.decimals) === 0,
      },
      { name: 'note', label: text('note'), value: line.note, inputmode: 'text' },
    ],
    { extra: 'remove' },
  );
  if (!given) return;
  if (given.action === 'remove') basket.lines.splice(index, 1);
  else {
    Object.assign(line, { quantity: typed(given.quantity, 3), note: given.note, discount: 0 });
    line.discount = typedDiscount(given.discount, sums(basket, terms).line_totals[index], terms.decimals);
  }
  fitDiscounts(basket, terms);
  changed();
}

async function giveDiscount() {
  const isRight = (/** @type {string} */ value) => typedDiscount(value, 0, terms.decimals) === 0;
  const value = basket.discount ? String(major(basket.discount, terms)) : '';
  const field = { name: 'discount', label: text('discount_or_percent'), value, isRight };
  const given = await ask(dialog, text('discount'), [field]);
  if (!given) return;
  basket.discount = typedDiscount(given.discount, goods(basket, terms), terms.decimals);
  changed();
}

async function chooseCustomer() {
  const field = { name: 'words', label: text('customer_name'), value: '', inputmode: 'text' };
  const given = await ask(dialog, text('customer'), [field], { extra: basket.customer ? 'none' : undefined });
  if (!given || (given.action !== 'none' && !given.words)) return;
  basket.customer = null;
  if (given.words) {
    try {
      const customers = await findCustomers(given.words.toLowerCase());
      if (customers.length === 0) toast.say(text('no_customer', { name: given.words }));
      const isOne = customers.length < 2;
      const row = (/** @type {any} */ one) => [h('span', {}, one.name), h('small', {}, one.more)];
      basket.customer = isOne ? customers[0] || null : await choose(dialog, text('customer'), customers, row);
    } catch {
      toast.say(text('not_reached'));
    }
  }
  changed();
}

/** @param {string} words @returns {Promise<{ id: number, name: string, more: string }[]>} */
async function findCustomers(words) {
  const fits = [];
  let after = '';
  for (let page = 0; page < CUSTOMER_PAGES && fits.length < CUSTOMERS_SHOWN; page += 1) {
    const { status, body } = await client.request('GET', `/api/customers?limit=200${after}`);
    if (status !== 200) throw new Error(body.detail);
    for (const one of body.data) {
      const name = [one.first_name, one.last_name].filter(Boolean).join(' ') || one.email;
      const more = [one.email, one.phone].filter(Boolean).join(' · ');
      if (`${name} ${more}`.toLowerCase().includes(words)) fits.push({ id: one.id, name, more });
    }
    if (!body.next) break;
    after = `&after=${body.next}`;
  }
  return fits.slice(0, CUSTOMERS_SHOWN);
}

async function sell() {
  if (basket.lines.length === 0 || isSelling) return;
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
      if (state === 'refused') toast.say(text('sale_refused', { reason: problem?.detail || '' }), undefined, 60000);
    });
  } catch (error) {
    toast.say(text('not_sold', { reason: String(error) }), undefined, 60000);
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
  if (!chosen) return;
  held = [...held.filter((one) => one !== chosen), ...(basket.lines.length > 0 ? [basket] : [])];
  newBasket(chosen);
}

/** Keys: letters search, Enter adds the first that was found or pays, `+` and `-` change the last line. @param {KeyboardEvent} event */
function key(event) {
  const { target, key } = event;
  const isElsewhere = target !== search && target !== document.body;
  if (dialog.open || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  if (key === 'Escape') {
    search.value = '';
    draw();
  } else if (key === 'Enter' && !isElsewhere) {
    event.preventDefault();
    if (Date.now() - scannedAt < SCANNED_WITHIN) return;
    const { words } = asked();
    const fits = found();
    const exact = fits.find(({ sku, barcode }) => sku === words.trim() || sameCode(barcode, words.trim()));
    if (!words.trim()) sell();
    else if (fits.length > 0) add(exact || fits[0]);
  } else if ((key === '+' || key === '-') && !search.value && basket.lines.length > 0) {
    event.preventDefault();
    const last = basket.lines.length - 1;
    if (basket.lines[last].product.unit === 'piece') step(last, key === '+' ? 1000 : -1000);
  } else if (key.length === 1 && key !== ' ') search.focus();
}

search.addEventListener('input', draw);
addEventListener('keydown', key);
at('#pay').addEventListener('click', sell);
at('#discount').addEventListener('click', giveDiscount);
at('#customer').addEventListener('click', chooseCustomer);
at('#sales').addEventListener('click', () => openSales({ dialog, toast, terms }));
at('#clear').addEventListener('click', () => {
  const before = basket;
  newBasket();
  toast.say(text('cleared'), { label: text('undo'), act: () => newBasket(before) });
});
at('#hold').addEventListener('click', () => {
  held = [...held, basket];
  newBasket();
});
at('#held').addEventListener('click', takeHeld);
onScan(scanned);
