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
 * @property {string} note
 */
/**
 * @typedef {object} Basket
 * @property {string} id The sale's `client_id`, so that a basket which comes back after a crash is not sold again.
 * @property {number} at The time at which it was begun; milliseconds since 1970.
 * @property {Line[]} lines
 * @property {number} discount in minor units
 * @property {{ id: number, name: string } | null} customer
 * @property {Payment[]} payments What was taken already: a card cannot be charged twice after a reload.
 */

export const CASH = 'cash';
export const CARD = 'card';

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

/** Holds the discounts to what they are given on. @param {Basket} basket @param {Terms} terms */
export function fitDiscounts(basket, terms) {
  const { line_totals } = sums(basket, terms);
  basket.lines.forEach((line, at) => (line.discount = Math.min(line.discount, line_totals[at] + line.discount)));
  basket.discount = Math.min(basket.discount, goods(basket, terms));
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

/**
 * A discount as people type it, an amount or `10 %`, at most what it is given on; `NaN` if it is none.
 *
 * @param {string} text
 * @param {number} of in minor units
 * @param {number} decimals
 */
export function typedDiscount(text, of, decimals) {
  const isPart = text.trim().endsWith('%');
  const given = isPart ? (of * typed(text.replace('%', ''), 3)) / 100000 : typed(text || '0', decimals);
  return Math.min(Math.round(given), of);
}

/** Round amounts that somebody may hand over for a sum. @param {number} sum @returns {number[]} */
export function handedOver(sum) {
  const steps = [1, 2, 3, 4, 5, 6, 7].flatMap((zeros) => [1, 2, 5].map((one) => one * 10 ** zeros));
  const round = steps.filter((step) => step >= sum / 5).map((step) => Math.ceil((sum + 1) / step) * step);
  return [...new Set(round)].sort((a, b) => a - b).slice(0, 3);
}
