// @ts-check
/** Changes of orders by a screen. None undoes what another screen has changed meanwhile. */
import { text } from './app.js';
import { makeQueue, reach } from './queue.js';

/** @typedef {import('./client.js').Row} Row */
/**
 * @typedef {object} Change
 * @property {number} id The order.
 * @property {{ [line: number]: boolean }} [ticks] Lines that were finished, or that are open again.
 * @property {string} [to] Its next status,
 * @property {string} [from] which only an order with this one gets.
 * @property {number} [at] Not before this time.
 */

/**
 * Makes a change. Rejects where the server cannot be reached.
 *
 * @param {Change} change
 * @returns {Promise<string>} what speaks against it; nothing if it is made
 */
export async function makeChange({ id, ticks = {}, to, from }) {
  for (;;) {
    const path = `/api/orders/${id}`;
    const { status, body: order, etag } = await reach('GET', path);
    if (status !== 200) return order.detail;
    const done = tick(order, ticks);
    const isMoved = to && order.status === from;
    const patch = {
      ...(String(done) === String(order.done) ? {} : { done }),
      ...(isMoved ? { status: to } : {}),
    };
    if (Object.keys(patch).length > 0) {
      const { status: told, body } = await reach('PATCH', path, patch, { 'If-Match': etag });
      if (told === 412) continue;
      if (told !== 200) return body.detail;
    }
    const isElsewhere = to && !isMoved && order.status !== to;
    return isElsewhere ? text('moved_meanwhile', { number: Number(order.order_number.slice(4)) }) : '';
  }
}

/** The finished lines of an order after these ticks. @param {Row} order @param {{ [line: number]: boolean }} ticks */
export function tick(order, ticks) {
  /** @type {number[]} */
  const lines = order.items.map((/** @type {any} */ _, /** @type {number} */ line) => line);
  return lines.filter((line) => ticks[line] ?? order.done.includes(line));
}

/**
 * The changes that the server does not have yet.
 *
 * @param {string} name
 * @param {(problem: string) => void} refused
 * @param {() => void} changed
 */
export function makeChanges(name, refused, changed) {
  /** @param {Change} change */
  const act = async (change) => {
    const problem = await makeChange(change);
    if (problem) refused(problem);
    return true;
  };
  const queue = makeQueue(name, act, changed);
  /** @param {number} id */
  const of = (id) => queue.list().filter((one) => one.id === id);
  return {
    ...queue,
    of,
    /** The finished lines, as this screen has them. @param {Row} order @returns {number[]} */
    doneOf: (order) => tick(order, Object.assign({}, ...of(order.id).map(({ ticks }) => ticks))),
    /** @param {number} id @param {{ [line: number]: boolean }} ticks */
    tick(id, ticks) {
      const same = of(id).find(({ to }) => !to);
      queue.merge({ id, ticks: { ...same?.ticks, ...ticks } }, (one) => one === same);
    },
  };
}
