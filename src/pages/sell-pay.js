// @ts-check
/** The payment of a basket: in parts, of several kinds, with change. */
import { CARD, CASH, PAYMENTS_MAX, due, handedOver, major, sums, typed } from './basket.js';
import { h, money, recall, remember, text, tone } from './app.js';
import { asTyped, fill, mark, onClosed } from './ask.js';

/** @typedef {import('./basket.js').Basket} Basket */
/** @typedef {import('./basket.js').Terms} Terms */

/** Whether the goods leave with the customer, so that no kitchen has to prepare them. */
export const isHandedOver = () => recall('handed over') === true;

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
  const shown = (/** @type {number} */ units) => money(major(units, terms), terms.currency);
  const { total } = sums(basket, terms);
  return new Promise((resolve) => {
    if (total === 0 && basket.payments.length === 0) return end();
    onClosed(dialog, () => resolve(false));
    render();

    /** The amount that other kinds than cash have paid; there is no change of it. */
    function charged() {
      return basket.payments.reduce((sum, { gateway, amount }) => sum + (gateway === CASH ? 0 : amount), 0);
    }

    /** @param {string} gateway @param {number} amount */
    function take(gateway, amount) {
      const left = due(basket, terms);
      const isTooMuch = gateway !== CASH && amount > left;
      const isLast = basket.payments.length >= PAYMENTS_MAX - 1 && amount < left;
      if (!(amount > 0) || isTooMuch || isLast) {
        tone(220, 0.3);
        return render(isTooMuch ? text('too_much') : isLast ? text('too_many_parts') : '');
      }
      basket.payments.push({ gateway, amount });
      changed();
      if (due(basket, terms) <= 0 && charged() <= total) end();
      else render();
    }

    function end() {
      fill(dialog, h('div', { class: 'body' }, h('h2', {}, text('storing'))));
      resolve(true);
    }

    /** @param {string} [problem] */
    function render(problem = charged() > total ? text('too_much') : '') {
      const left = due(basket, terms);
      const value = left > 0 ? asTyped(major(left, terms), terms.decimals) : '';
      const amount = h('input', { inputmode: 'decimal', autocomplete: 'off', 'aria-label': text('amount'), value });
      const enter = (/** @type {Event} */ event) => {
        event.preventDefault();
        take(CASH, typed(amount.value, terms.decimals));
      };
      fill(
        dialog,
        h('form', { onsubmit: enter },
          h('h2', {}, text('due')),
          h('p', { class: 'big' }, shown(Math.max(left, 0))),
          h('p', { role: 'alert' }, problem),
          h('ul', { class: 'paid' }, ...basket.payments.map(renderPart)),
          ...(left > 0 ? renderWays(left, amount) : charged() > total ? [] : [button('ok', end, 'main')]),
          renderHandedOver(),
          button('back', () => dialog.close())),
      );
      // On a touch screen the keyboard would cover the buttons.
      if (left > 0 && !matchMedia('(pointer: coarse)').matches) mark(amount);
    }

    /** @param {import('./basket.js').Payment} part */
    function renderPart(part) {
      const undo = () => {
        basket.payments.splice(basket.payments.indexOf(part), 1);
        changed();
        render();
      };
      const label = `${text('remove')}: ${text(part.gateway)} ${shown(part.amount)}`;
      return h('li', {}, h('span', {}, text(part.gateway)), h('span', {}, shown(part.amount)),
        h('button', { type: 'button', onclick: undo, 'aria-label': label }, '×'));
    }

    /** The ways to pay what is left. @param {number} left @param {any} amount the field */
    function renderWays(left, amount) {
      const note = (/** @type {number} */ sum) => button(shown(sum), () => take(CASH, sum));
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
  });

  /** @param {string} name of its text @param {() => void} onclick @param {string} [kind] */
  function button(name, onclick, kind) {
    return h('button', { type: 'button', class: kind, onclick }, text(name));
  }
}
