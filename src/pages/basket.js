// @ts-check
/** A basket of the till: what it costs, and the sale that it becomes. */
import { amounts, uuid } from './client.js';

/** @typedef {import('./client.js').Row} Row */
/** @typedef {{ currency: string, decimals: number, tax: string }} Terms */
/** @typedef {{ gateway: string, amount: number }} Payment `amount` in minor units */
/**
 * @typedef {object} Line
 * @property {Row} product
 * @property {number} quantity in thousandths
 * @property {number} discount in minor units
 * @property {number} [percent] If the discount is a part of the line, which it follows; in thousandths of a per cent.
 * @property {string} note
 */
/**
 * @typedef {object} Basket
 * @property {string} id The sale's `client_id`, so that a basket which comes back after a crash is not sold again.
 * @property {number} at The time at which it was begun; milliseconds since 1970.
 * @property {Line[]} lines
 * @property {number} discount in minor units
 * @property {number} [percent] As that of a line.
 * @property {{ id: number, name: string } | null} customer
 * @property {Payment[]} payments What was taken already: a card cannot be charged twice after a reload.
 */

export const CASH = 'cash';
export const CARD = 'card';
/** The bounds of a sale on the server, which takes no other even if the customer has left. */
export const LINES_MAX = 100;
export const PAYMENTS_MAX = 20;
export const NOTE_MAX = 200;
const QUANTITY_MAX = 1000000;
/** All, in thousandths of a per cent. */
const WHOLE = 100000;

/** @returns {Basket} */
export function emptyBasket() {
  return { id: uuid(), at: Date.now(), lines: [], discount: 0, customer: null, payments: [] };
}

/** Minor units of an amount. @param {number} amount @param {Terms} terms */
export const minor = (amount, { decimals }) => Math.round(amount * 10 ** decimals);

/** The amount of minor units. @param {number} units @param {Terms} terms */
export const major = (units, { decimals }) => units / 10 ** decimals;

/** The cost of the basket. @param {Basket} basket @param {Terms} terms */
export function sums({ lines, discount }, terms) {
  const priced = lines.map(({ product, ...line }) => ({
    quantity: line.quantity,
    unit_price: minor(product.price, terms),
    discount: line.discount,
    tax_rate: typeof product.tax_rate === 'number' ? Math.round(product.tax_rate * 1000) : null,
  }));
  return amounts(priced, { discount, added: terms.tax === 'added' });
}

/** The sum of the lines. @param {Basket} basket @param {Terms} terms */
export function goods(basket, terms) {
  return sums(basket, terms).line_totals.reduce((sum, total) => sum + total, 0);
}

/** Makes the discounts fit what they are given on. @param {Basket} basket @param {Terms} terms */
export function fitDiscounts(basket, terms) {
  const fit = (/** @type {Line | Basket} */ one, /** @type {number} */ of) => {
    one.discount = Math.min(one.percent ? Math.round((of * one.percent) / WHOLE) : one.discount, of);
  };
  const { line_totals } = sums(basket, terms);
  basket.lines.forEach((line, at) => fit(line, line_totals[at] + line.discount));
  fit(basket, goods(basket, terms));
}

/** The price of a line without its discount. @param {Line} line @param {number} quantity @param {Terms} terms */
export function worth(line, quantity, terms) {
  return sums({ ...emptyBasket(), lines: [{ ...line, quantity, discount: 0 }] }, terms).line_totals[0];
}

/** The amount still to be paid; below 0 it is the change. @param {Basket} basket @param {Terms} terms */
export function due(basket, terms) {
  return basket.payments.reduce((left, { amount }) => left - amount, sums(basket, terms).total);
}

/**
 * The sale that the basket is, as `POST /api/sales` has it.
 *
 * @param {Basket} basket
 * @param {Terms} terms
 * @param {boolean} isHandedOver
 */
export function saleOf(basket, terms, isHandedOver) {
  return {
    client_id: basket.id,
    items: basket.lines.map(({ product, quantity, discount, note }) => ({
      product_id: product.id,
      quantity: quantity / 1000,
      unit_price: product.price,
      ...(discount ? { discount: major(discount, terms) } : {}),
      ...(note ? { note } : {}),
    })),
    ...(basket.discount ? { discount: major(basket.discount, terms) } : {}),
    ...(basket.customer ? { customer_id: basket.customer.id } : {}),
    payments: basket.payments.map(({ gateway, amount }) => ({ gateway, amount: major(amount, terms) })),
    total: major(sums(basket, terms).total, terms),
    ...(isHandedOver ? { status: 'completed' } : {}),
  };
}

/**
 * A number as people type it, with a comma or a point, as a whole number of its last decimals; `NaN` if it is none.
 *
 * @param {string} text
 * @param {number} decimals
 */
export function typed(text, decimals) {
  const [, whole, part = ''] = /^(\d{0,9})(?:[.,](\d*))?$/.exec(text.trim()) || [];
  return `${whole || ''}${part}` && part.length <= decimals ? Number(whole + part.padEnd(decimals, '0')) : NaN;
}

/** Whether a text is a quantity of the product: pieces are whole. @param {string} text @param {Row} product */
export function isQuantity(text, { unit }) {
  const decimals = unit === 'piece' ? 0 : 3;
  const given = typed(text, decimals);
  return given > 0 && given <= QUANTITY_MAX * 10 ** decimals;
}

/** A discount as people type it, an amount or `10 %`; `NaN` if it is none. @param {string} text @param {Terms} terms */
export function typedDiscount(text, { decimals }) {
  const isPart = text.trim().endsWith('%');
  const given = text.trim() ? typed(text.replace('%', ''), isPart ? 3 : decimals) : 0;
  return { discount: isPart ? 0 : given, percent: isPart ? given : 0 };
}

/**
 * Whether a text is a discount, at most what it is given on.
 *
 * @param {string} text
 * @param {number} of in minor units
 * @param {Terms} terms
 */
export function isDiscount(text, of, terms) {
  const { discount, percent } = typedDiscount(text, terms);
  return discount <= of && percent <= WHOLE;
}

/** Round amounts that somebody may hand over for a sum. @param {number} sum @returns {number[]} */
export function handedOver(sum) {
  const steps = [1, 2, 3, 4, 5, 6, 7].flatMap((zeros) => [1, 2, 5].map((one) => one * 10 ** zeros));
  const round = steps.filter((step) => step >= sum / 5).map((step) => Math.ceil((sum + 1) / step) * step);
  return [...new Set(round)].sort((a, b) => a - b).slice(0, 3);
}
