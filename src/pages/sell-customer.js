// @ts-check
/** The customer of a sale, found by a part of the name, the address or the phone. */
import { client, h, text } from './app.js';
import { ask, choose } from './ask.js';

/** @typedef {{ id: number, name: string }} Customer */

const SHOWN = 20;
/** A search reads at most so many pages of the list. */
const PAGES = 25;

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
    const customers = await find(given.words.toLowerCase().split(/\s+/));
    if (customers.length === 1) return customers[0];
    if (customers.length === 0) toast.say(text('no_customer', { name: given.words }));
    const row = (/** @type {any} */ one) => [h('span', {}, one.name), h('small', {}, one.more)];
    return (customers.length > 0 && (await choose(dialog, text('customer'), customers, row))) || undefined;
  } catch {
    toast.say(text('not_reached'));
  }
}

/** @param {string[]} words @returns {Promise<(Customer & { more: string })[]>} */
async function find(words) {
  const fits = [];
  let after = '';
  for (let page = 0; page < PAGES && fits.length < SHOWN; page += 1) {
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
  return fits.slice(0, SHOWN);
}
