// @ts-check
/**
 * Keeps the cache of TanStack Query in step with the shop. A key begins with the plural of an entity, such as
 * `['orders', { status: 'pending' }]` for a list (the rows, or the reply with its `data`) or `['orders', 7]` for one of
 * them. Queries need `networkMode: 'always'`: a shop's network may have no internet.
 *
 * @module
 */

const ENTITIES = ['order', 'product', 'customer', 'shipment', 'transaction'];
/** A change of these may move a row into or out of a filtered list. */
const FILTERS = [
  ...['status', 'payment_status', 'customer_id', 'oversold', 'category', 'barcode', 'sku', 'email'],
  ...['order_id', 'tracking_number'],
];
/** Lists are read anew together, after so many milliseconds. */
const GATHER = 100;

/**
 * Follows these entities; returns the function that ends it.
 *
 * @param {any} queries a `QueryClient`
 * @param {import('./client.js').Client} client
 * @param {string[]} [entities]
 * @returns {() => void}
 */
export function follow(queries, client, entities = ENTITIES) {
  /** @type {Set<string>} */
  const stale = new Set();
  /** @type {any} */
  let timer = null;
  const plurals = entities.map((entity) => `${entity}s`);
  const offs = entities.map((entity) => client.on(entity, (event) => apply(`${entity}s`, event)));
  offs.push(client.on('reset', ({ channel }) => refresh([`${channel.split('_')[0]}s`])));
  // What was read before the events came may be older than they are.
  const off = client.on('state', ({ state }) => {
    if (state !== 'live') return;
    off();
    refresh(plurals);
  });
  offs.push(off);
  const soon = client.state === 'live' ? setTimeout(() => refresh(plurals), GATHER) : undefined;
  return () => {
    clearTimeout(timer);
    clearTimeout(soon);
    for (const off of offs) off();
  };

  /** @param {string[]} stale */
  function refresh(stale) {
    for (const plural of stale) queries.invalidateQueries({ queryKey: [plural] });
  }

  /** Reads the lists of an entity anew, and those single ones that are not there. @param {string} plural */
  function invalidate(plural) {
    stale.add(plural);
    timer = timer || setTimeout(readAgain, GATHER);
  }

  function readAgain() {
    timer = null;
    const isList = (/** @type {any} */ { queryKey, state }) => typeof queryKey[1] !== 'number' || !state.data;
    for (const plural of stale) queries.invalidateQueries({ queryKey: [plural], predicate: isList });
    stale.clear();
  }

  /** @param {string} plural @param {import('./client.js').ShopEvent} change */
  function apply(plural, { event, data, timestamp }) {
    const { changed_fields: fields, ...known } = data;
    const isGone = event.endsWith(':deleted');
    const one = (/** @type {any} */ row) => ({ ...row, ...known, ...fields, updated_at: timestamp });
    const all = (/** @type {any[]} */ rows) => {
      if (!rows.some(({ id }) => id === data.id)) return rows;
      if (isGone) return rows.filter(({ id }) => id !== data.id);
      return rows.map((row) => (row.id === data.id ? one(row) : row));
    };
    if (isGone) queries.removeQueries({ queryKey: [plural, data.id] });
    queries.setQueriesData({ queryKey: [plural] }, (/** @type {any} */ cached) => {
      if (Array.isArray(cached)) return all(cached);
      if (cached && Array.isArray(cached.data)) return { ...cached, data: all(cached.data) };
      return cached && cached.id === data.id ? one(cached) : cached;
    });
    // A row may have entered or left a filtered list, and an event does not show a new row whole.
    if (!event.endsWith(':updated') || FILTERS.some((name) => fields && name in fields)) invalidate(plural);
  }
}
