// @ts-check
/** The payment of a basket: in parts, of several kinds, with change. */
import { CARD, CASH, LINES_MAX, PAYMENTS_MAX, due, handedOver, major, sums, typed } from './basket.js';
import { h, money, recall, remember, text, tone } from './app.js';
import { asTyped, fill, mark, onClosed } from './ask.js';

/** @typedef {import('./basket.js').Basket} Basket */
/** @typedef {import('./basket.js').Payment} Payment */
/** @typedef {import('./basket.js').Terms} Terms */

/** Whether the goods leave with the customer, so that no kitchen has to prepare them. */
export const isHandedOver = () => recall('handed over') === true;

/** The amount that other kinds than cash have paid; there is no change of it. @param {Basket} basket */
function charged({ payments }) {
  return payments.reduce((sum, { gateway, amount }) => sum + (gateway === CASH ? 0 : amount), 0);
}

/**
 * Takes payments until nothing is due. Resolves with whether it came to that; the dialog stays open then, so that
 * nothing gets into the basket before the sale is stored.
 *
 * @param {any} dialog
 * @param {Basket} basket
 * @param {Terms} terms
 * @param {() => void} changed is called after each payment
 * @returns {Promise<boolean>}
 */
export function pay(dialog, basket, terms, changed) {
  const { total } = sums(basket, terms);
  return new Promise((resolve) => {
    if (total === 0 && basket.payments.length === 0) return end();
    onClosed(dialog, () => resolve(false));
    render();

    /** @param {string} gateway @param {number} amount */
    function take(gateway, amount) {
      const left = due(basket, terms);
      const isTooMuch = gateway !== CASH && amount > left;
      const isLast = basket.payments.length >= PAYMENTS_MAX - 1 && amount < left;
      if (!(amount > 0) || isTooMuch || isLast) {
        tone(220, 0.3);
        const isFull = isLast && text('sale_full', { lines: LINES_MAX, parts: PAYMENTS_MAX });
        return render((isTooMuch && text('too_much')) || isFull || '');
      }
      basket.payments.push({ gateway, amount });
      changed();
      if (due(basket, terms) <= 0 && charged(basket) <= total) end();
      else render();
    }

    /** @param {Payment} part */
    function giveBack(part) {
      basket.payments.splice(basket.payments.indexOf(part), 1);
      changed();
      render();
    }

    function end() {
      fill(dialog, h('div', { class: 'body' }, h('h2', {}, '…')));
      resolve(true);
    }

    /** @param {string} [problem] */
    function render(problem = charged(basket) > total ? text('too_much') : '') {
      const left = due(basket, terms);
      const value = left > 0 ? asTyped(major(left, terms), terms.decimals) : '';
      const amount = h('input', { inputmode: 'decimal', autocomplete: 'off', 'aria-label': text('amount'), value });
      const enter = (/** @type {Event} */ event) => {
        event.preventDefault();
        take(CASH, typed(amount.value, terms.decimals));
      };
      const ends = charged(basket) > total ? [] : [button('ok', end, 'main')];
      fill(
        dialog,
        h('form', { onsubmit: enter },
          h('h2', {}, text('due')),
          h('p', { class: 'big' }, shown(Math.max(left, 0), terms)),
          h('p', { role: 'alert' }, problem),
          h('ul', { class: 'paid' }, ...basket.payments.map((part) => renderPart(part, terms, giveBack))),
          ...(left > 0 ? renderWays(left, amount, terms, take) : ends),
          renderHandedOver(),
          button('back', () => dialog.close())),
      );
      // On a touch screen the keyboard would cover the buttons.
      if (left > 0 && !matchMedia('(pointer: coarse)').matches) mark(amount);
    }
  });
}

/** @param {number} units @param {Terms} terms */
const shown = (units, terms) => money(major(units, terms), terms.currency);

/** @param {string} name of its text @param {() => void} onclick @param {string} [kind] */
function button(name, onclick, kind) {
  return h('button', { type: 'button', class: kind, onclick }, text(name));
}

/** @param {Payment} part @param {Terms} terms @param {(part: Payment) => void} giveBack */
function renderPart(part, terms, giveBack) {
  const [kind, sum] = [text(part.gateway), shown(part.amount, terms)];
  const label = `${text('remove')}: ${kind} ${sum}`;
  const back = h('button', { type: 'button', onclick: () => giveBack(part), 'aria-label': label }, '×');
  return h('li', {}, h('span', {}, kind), h('span', {}, sum), back);
}

/**
 * The ways to pay what is left.
 *
 * @param {number} left
 * @param {any} amount the field
 * @param {Terms} terms
 * @param {(gateway: string, amount: number) => void} take
 */
function renderWays(left, amount, terms, take) {
  const note = (/** @type {number} */ sum) => button(shown(sum, terms), () => take(CASH, sum));
  return [
    h('div', { class: 'row' },
      button('cash_exact', () => take(CASH, left), 'main'),
      button('card_all', () => take(CARD, left), 'main')),
    h('div', { class: 'row' }, ...handedOver(left).map(note)),
    h('div', { class: 'row' }, amount,
      h('button', {}, text('cash')),
      button('card', () => take(CARD, typed(amount.value, terms.decimals)))),
  ];
}

function renderHandedOver() {
  const kept = (/** @type {any} */ event) => remember('handed over', event.target.checked);
  const box = h('input', { type: 'checkbox', checked: isHandedOver(), onchange: kept });
  return h('label', { class: 'check' }, box, text('hand_over'));
}
