// @ts-check
/**
 * Keeps the cache of TanStack Query in step with the shop. A key begins with the plural of an entity, such as
 * `['orders', { status: 'pending' }]` for a list or `['orders', 7]` for one of them.
 *
 * @module
 */

const ENTITIES = ['order', 'product', 'customer', 'shipment', 'transaction'];
/** Lists are read anew together, after so many milliseconds. */
const GATHER = 100;

/**
 * Follows these entities; returns the function that ends it.
 *
 * @param {any} queries a `QueryClient`
 * @param {ReturnType<typeof import('./client.js').connect>} client
 * @param {string[]} [entities]
 */
export function follow(queries, client, entities = ENTITIES) {
  /** @type {Set<string>} */
  const stale = new Set();
  /** @type {any} */
  let timer = null;

  /** @param {string} plural */
  const invalidate = (plural) => {
    stale.add(plural);
    timer =
      timer ||
      setTimeout(() => {
        timer = null;
        for (const each of stale) queries.invalidateQueries({ queryKey: [each] });
        stale.clear();
      }, GATHER);
  };

  /** @param {string} plural @param {any} event */
  const apply = (plural, { event, data, timestamp }) => {
    const { changed_fields: fields, ...known } = data;
    if (!event.endsWith(':updated')) return invalidate(plural);
    const merge = (/** @type {any} */ row) => ({ ...row, ...known, ...fields, updated_at: timestamp });
    for (const [key, cached] of queries.getQueriesData({ queryKey: [plural] })) {
      if (!cached) continue;
      if (key[1] === data.id) queries.setQueryData(key, merge(cached));
      else if (Array.isArray(cached) && cached.some((row) => row.id === data.id)) {
        queries.setQueryData(key, cached.map((row) => (row.id === data.id ? merge(row) : row)));
      }
    }
    // The row may have entered or left a filtered list.
    if (fields && ('status' in fields || 'payment_status' in fields)) invalidate(plural);
  };

  const offs = entities.map((entity) => client.on(entity, (event) => apply(`${entity}s`, event)));
  offs.push(client.on('reset', () => queries.invalidateQueries()));
  return () => {
    clearTimeout(timer);
    for (const off of offs) off();
  };
}
