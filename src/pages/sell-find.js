// @ts-check
/** The till finds goods by words, by category or by a code, and customers by a part of name, address or phone. */
import { typed } from './basket.js';
import { client, h, money, onFrame, quantity, show, text } from './app.js';
import { ask, choose } from './ask.js';
import { sameCode } from './scan.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {{ id: number, name: string }} Customer */

const GOODS_SHOWN = 200;
const CUSTOMERS_SHOWN = 20;
/** A search for a customer reads at most so many pages of the list. */
const PAGES = 25;

/** @param {Row} product */
export const per = ({ unit }) => (unit === 'piece' ? '' : ` / ${unit}`);

/**
 * The goods of a list, in the elements of the page.
 *
 * @param {import('./client.js').List} products
 * @param {any} search its field
 * @param {(product: Row) => void} take
 */
export function makeShelf(products, search, take) {
  let category = '';
  const [categories, tiles] = ['categories', 'products'].map((id) => /** @type {any} */ (document.getElementById(id)));
  const draw = onFrame(render);
  search.addEventListener('input', draw);
  return { draw, asked, found, byWords, byCode, clear };

  /** The search field: `3*esp` asks for three of something; `times` is in thousandths. */
  function asked() {
    const [, times, words] = /^(?:\s*([\d.,]+)\s*[*×])?(.*)$/.exec(search.value) || [];
    return { times: times ? typed(times, 3) : 0, words: (words || '').trim() };
  }

  /** The products that the search and the category leave. @returns {Row[]} */
  function found() {
    const words = asked().words.toLowerCase().split(/\s+/).filter(Boolean);
    return products.items.filter((product) => {
      const searched = `${product.name} ${product.sku} ${product.barcode || ''}`.toLowerCase();
      return (!category || product.category === category) && words.every((word) => searched.includes(word));
    });
  }

  /** The product that is meant by what was typed; that of a category which was left open is meant, too. */
  function byWords() {
    const { words } = asked();
    const exact = products.items.find(({ sku, barcode }) => sku === words || sameCode(barcode, words));
    return exact || found()[0];
  }

  /** @param {string} code */
  function byCode(code) {
    return products.items.find(({ barcode, sku }) => sameCode(barcode, code) || sku === code);
  }

  function clear() {
    search.value = '';
    draw();
  }

  function render() {
    const names = [...new Set(products.items.map((product) => product.category).filter(Boolean))].sort();
    if (products.state === 'live' && !names.includes(category)) category = ''; // the last of its goods is gone
    show(
      categories,
      names.length > 1 ? ['', ...names] : [],
      (name) => name || '*',
      (name) => {
        const open = () => {
          category = name;
          draw();
        };
        return h('button', { type: 'button', onclick: open }, name || text('all'));
      },
      (button, name) => button.setAttribute('aria-pressed', String(name === category)),
    );
    show(tiles, found().slice(0, GOODS_SHOWN), ({ id }) => id, createTile, updateTile);
  }

  /** @param {Row} product */
  function createTile({ id }) {
    const touch = (/** @type {MouseEvent} */ event) => {
      // After a touch, Enter is for the payment and not for the same product.
      if (event.detail > 0) /** @type {HTMLElement} */ (event.currentTarget).blur();
      const product = products.items.find((one) => one.id === id);
      if (product) take(product);
    };
    const [price, stock] = [h('span'), h('span')];
    return h('button', { type: 'button', class: 'product', onclick: touch }, h('b'), h('small', {}, price, stock));
  }
}

/** @param {HTMLElement} tile @param {Row} product */
function updateTile(tile, product) {
  const [price, stock] = tile.querySelectorAll('span');
  /** @type {HTMLElement} */ (tile.querySelector('b')).textContent = product.name;
  price.textContent = money(product.price, product.currency) + per(product);
  stock.textContent = product.stock === null ? '' : quantity(product.stock);
  tile.classList.toggle('none', product.stock !== null && product.stock <= 0);
}

/**
 * Resolves with the customer that is chosen, `null` for none, and `undefined` where it stays as it was.
 *
 * @param {any} dialog
 * @param {any} toast
 * @param {Customer | null} before
 * @returns {Promise<Customer | null | undefined>}
 */
export async function chooseCustomer(dialog, toast, before) {
  const field = { name: 'words', label: text('customer_name'), value: '', inputmode: 'text' };
  const given = await ask(dialog, text('customer'), [field], { extra: before ? 'none' : undefined });
  if (!given) return undefined;
  if (given.action === 'none') return null;
  if (!given.words) return undefined;
  try {
    const customers = await findCustomers(given.words.toLowerCase().split(/\s+/));
    if (customers.length === 1) return customers[0];
    if (customers.length === 0) toast.say(text('no_customer', { name: given.words }));
    const row = (/** @type {any} */ one) => [h('span', {}, one.name), h('small', {}, one.more)];
    return (customers.length > 0 && (await choose(dialog, text('customer'), customers, row))) || undefined;
  } catch {
    toast.say(text('not_reached'));
  }
}

/** @param {string[]} words @returns {Promise<(Customer & { more: string })[]>} */
async function findCustomers(words) {
  const fits = [];
  let after = '';
  for (let page = 0; page < PAGES && fits.length < CUSTOMERS_SHOWN; page += 1) {
    const { status, body } = await client.request('GET', `/api/customers?limit=200${after}`);
    if (status !== 200) throw new Error(body.detail);
    for (const one of body.data) {
      const name = [one.first_name, one.last_name].filter(Boolean).join(' ') || one.email;
      const more = [one.email, one.phone].filter(Boolean).join(' · ');
      const searched = `${name} ${more}`.toLowerCase();
      if (words.every((word) => searched.includes(word))) fits.push({ id: one.id, name, more });
    }
    if (!body.next) break;
    after = `&after=${body.next}`;
  }
  return fits.slice(0, CUSTOMERS_SHOWN);
}
