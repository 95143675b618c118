// @ts-check
/** The goods of the till: found by words, by category or by a code. */
import { typed } from './basket.js';
import { h, money, onFrame, quantity, show, text } from './app.js';
import { sameCode } from './scan.js';

/** @typedef {import('./client.js').Row} Row */

const SHOWN = 200;

/** @param {Row} product */
export const per = ({ unit }) => (unit === 'piece' ? '' : ` / ${unit}`);

/**
 * The goods of a list, in the elements of the page.
 *
 * @param {import('./client.js').List} products
 * @param {any} search its field
 * @param {(product: Row) => void} choose
 */
export function makeShelf(products, search, choose) {
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
    show(tiles, found().slice(0, SHOWN), ({ id }) => id, createTile, updateTile);
  }

  /** @param {Row} product */
  function createTile({ id }) {
    const take = (/** @type {MouseEvent} */ event) => {
      // After a touch, Enter is for the payment and not for the same product.
      if (event.detail > 0) /** @type {HTMLElement} */ (event.currentTarget).blur();
      const product = products.items.find((one) => one.id === id);
      if (product) choose(product);
    };
    const [price, stock] = [h('span'), h('span')];
    return h('button', { type: 'button', class: 'product', onclick: take }, h('b'), h('small', {}, price, stock));
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
