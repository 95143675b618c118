// @ts-check
/** The payment of a basket: in parts, of several kinds, with change. */
import { CARD, CASH, due, handedOver, major, sums, typed } from './basket.js';
import { h, money, recall, remember, text, tone } from './app.js';
import { fill, onClosed } from './ask.js';

/** @typedef {import('./basket.js').Basket} Basket */
/** @typedef {import('./basket.js').Terms} Terms */

/** Whether the goods leave with the customer, so that no kitchen has to prepare them. */
export const isHandedOver = () => recall('handed over') === true;

/**
 * Takes payments until nothing is due. Resolves with whether it came to that.
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
    let isPaid = false;
    if (total === 0 && basket.payments.length === 0) return resolve(true);
    onClosed(dialog, () => resolve(isPaid));
    render();

    /** The amount that other kinds than cash have paid; there is no change of it. */
    function charged() {
      return basket.payments.reduce((sum, { gateway, amount }) => sum + (gateway === CASH ? 0 : amount), 0);
    }

    /** @param {string} gateway @param {number} amount */
    function take(gateway, amount) {
      const isTooMuch = gateway !== CASH && amount > due(basket, terms);
      if (!(amount > 0) || isTooMuch) {
        tone(220, 0.3);
        return render(isTooMuch ? text('too_much') : '');
      }
      basket.payments.push({ gateway, amount });
      changed();
      if (due(basket, terms) <= 0 && charged() <= total) end();
      else render();
    }

    function end() {
      isPaid = true;
      dialog.close();
    }

    /** @param {string} [problem] */
    function render(problem = charged() > total ? text('too_much') : '') {
      const left = due(basket, terms);
      const value = left > 0 ? major(left, terms).toFixed(terms.decimals) : '';
      const amount = h('input', { inputmode: 'decimal', autocomplete: 'off', 'aria-label': text('amount'), value });
      const given = () => typed(amount.value, terms.decimals);
      const enter = (/** @type {Event} */ event) => {
        event.preventDefault();
        take(CASH, given());
      };
      const parts = basket.payments.map((one) => {
        const undo = () => {
          basket.payments.splice(basket.payments.indexOf(one), 1);
          changed();
          render();
        };
        const label = `${text('remove')}: ${text(one.gateway)} ${shown(one.amount)}`;
        return h('li', {}, h('span', {}, text(one.gateway)), h('span', {}, shown(one.amount)),
          h('button', { type: 'button', onclick: undo, 'aria-label': label }, '×'));
      });
      const note = (/** @type {number} */ sum) => h('button', { type: 'button', onclick: () => take(CASH, sum) }, shown(sum));
      const kept = (/** @type {any} */ event) => remember('handed over', event.target.checked);
      fill(
        dialog,
        h('form', { onsubmit: enter },
          h('h2', {}, text('due')),
          h('p', { class: 'big' }, shown(Math.max(left, 0))),
          h('p', { role: 'alert' }, problem),
          h('ul', { class: 'paid' }, ...parts),
          ...(left > 0
            ? [
                h('div', { class: 'row' },
                  h('button', { type: 'button', class: 'main', onclick: () => take(CASH, left) }, text('cash_exact')),
                  h('button', { type: 'button', class: 'main', onclick: () => take(CARD, left) }, text('card_all'))),
                h('div', { class: 'row' }, ...handedOver(left).map(note)),
                h('div', { class: 'row' }, amount,
                  h('button', {}, text('cash')),
                  h('button', { type: 'button', onclick: () => take(CARD, given()) }, text('card'))),
              ]
            : charged() > total ? [] : [h('button', { type: 'button', class: 'main', onclick: end }, text('ok'))]),
          h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: isHandedOver(), onchange: kept }), text('hand_over')),
          h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
      );
      // On a touch screen the keyboard would cover the buttons.
      if (left > 0 && !matchMedia('(pointer: coarse)').matches) amount.select();
    }
  });
}
