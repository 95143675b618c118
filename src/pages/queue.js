// @ts-check
/**
 * Work of a screen that the server does not know of yet. It is kept over a reload and a kill, and done in its order as
 * soon as the server can be reached.
 */
import { client, recall, remember } from './app.js';

/** @typedef {{ at?: number, problem?: any }} Work `at`: not before that time; `problem`: the server has refused it. */

const RETRY = 5000;

/**
 * The queue of this name, once the page's memory was read.
 *
 * @template {Work} T
 * @param {string} name
 * @param {(work: T) => Promise<boolean>} act Does it. Resolves with whether it is over; rejects where the server cannot
 *     be reached, so that nothing else is tried either.
 * @param {() => void} changed is called after each change of the queue
 */
export function makeQueue(name, act, changed) {
  /** @type {T[]} */
  let works = recall(name) || [];
  /** @type {T | null} */
  let current = null;
  /** @type {any} */
  let timer = null;
  client.on('state', ({ state }) => state === 'live' && send());
  addEventListener('online', send);
  send();
  return { list: () => works, add, change, merge, remove, send };

  function keep() {
    remember(name, works, 'strict');
    changed();
  }

  /** @param {T} work */
  function add(work) {
    works = [...works, work];
    keep();
    send();
  }

  /** Adds to the work that `isSame` finds, unless that is being done; else it is work of its own. */
  function merge(/** @type {T} */ work, /** @type {(one: T) => boolean} */ isSame) {
    const same = works.find((one) => one !== current && isSame(one));
    if (same) change(same, work);
    else add(work);
  }

  /** @param {T} work @param {Partial<T>} more */
  function change(work, more) {
    Object.assign(work, more);
    keep();
    send();
  }

  /** Forgets it; returns whether that was in time. @param {T} work */
  function remove(work) {
    if (work === current || !works.includes(work)) return false;
    works = works.filter((one) => one !== work);
    keep();
    return true;
  }

  async function send() {
    if (current) return;
    clearTimeout(timer);
    const tried = new Set();
    const isDue = (/** @type {T} */ { at = 0, problem }) => !problem && at <= Date.now();
    try {
      while ((current = works.find((one) => isDue(one) && !tried.has(one)) || null)) {
        tried.add(current);
        const work = current;
        const isOver = await act(work);
        current = null;
        if (isOver) remove(work);
      }
    } catch {
      // The timer, or a server that is back, begins again.
    }
    current = null;
    const waits = works.filter(({ problem }) => !problem).map(({ at = 0 }) => Math.max(at - Date.now(), 0) || RETRY);
    if (waits.length > 0) timer = setTimeout(send, Math.min(...waits));
  }
}

/**
 * Asks the server. Rejects where it could not be reached, cannot answer now, or wants a login.
 *
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @param {{ [name: string]: string }} [headers]
 */
export async function reach(method, path, body, headers) {
  const reply = await client.request(method, path, body, headers);
  const { status } = reply;
  if (status === 401 || status === 408 || status === 429 || status >= 500) throw new Error(String(status));
  return reply;
}
