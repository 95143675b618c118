// @ts-check
/**
 * Keeps what the browser has stored of this page at the version of the server, so that the page opens without the
 * server, and is the right one with it.
 *
 * @module
 */

/** @typedef {ReturnType<typeof import('./client.js').connect>} Client */

/** A page is replaced once nobody has touched it for this time; milliseconds. */
const QUIET = 10000;
const LOOK_EVERY = 2000;
/** The stored page ends a week after it came, so it is stored anew each day. */
const RENEW_EVERY = 24 * 60 * 60 * 1000;

/**
 * @param {Client} client
 * @param {{ remember: (name: string, value: any) => void, recall: (name: string) => any, isRead: Promise<any> }} memory
 */
export function stayCurrent(client, { remember, recall, isRead }) {
  const own = document.documentElement.dataset.version;
  const here = location.pathname + location.search;
  const kept = `stored ${location.pathname}`;
  let told = own;
  let touched = 0;
  let isBusy = false;
  /** A version that the server tells of, but whose page it does not have. */
  let refused = '';
  if (!own) return; // the source itself, without a version
  for (const name of ['pointerdown', 'keydown']) addEventListener(name, () => (touched = Date.now()), true);
  client.on('version', (version) => {
    told = version;
    look();
  });
  // A socket that comes back tells no version.
  client.on('state', ({ state }) => state === 'live' && client.request('HEAD', '/healthz').catch(() => {}));
  setInterval(look, LOOK_EVERY);
  addEventListener('load', () => register().catch((error) => console.info(`offline pages: ${error}`)));

  async function look() {
    if (isBusy || client.state === 'offline') return;
    isBusy = true;
    await isRead;
    try {
      if (told !== own && told !== refused) {
        if (!(await isIdle())) return;
        // Never `reload()`: that asks the server, and shows an error where there is none.
        if (await renew()) location.assign(here);
        else refused = told || '';
      } else if (!(Date.now() - recall(kept) < RENEW_EVERY)) await renew();
    } catch {
      // The server went away; what was stored is still there.
    } finally {
      isBusy = false;
    }
  }

  /** Whether nobody works with the page, and nothing is being sent. */
  async function isIdle() {
    const isUsed = Date.now() - touched < QUIET || document.querySelector('dialog[open], [data-busy]') || location.hash;
    if (isUsed) return false;
    return (await client.outbox.list()).every(({ state }) => state !== 'pending' && state !== 'sending');
  }

  /** Stores the page anew. Returns whether it has the version that the server tells. */
  async function renew() {
    // Its parts come first: a server that goes away in between leaves the old page with its old parts.
    const page = await get(here, 'no-store');
    await storeParts(page);
    const isStored = (await get(here, 'reload')) === page;
    // Not more often: a browser that dies while it stores a page has none.
    if (isStored) remember(kept, Date.now());
    return isStored && page.includes(`data-version="${told}"`);
  }
}

/** Loads what a text refers to, and what that refers to. @param {string} text @param {Set<string>} [seen] */
async function storeParts(text, seen = new Set()) {
  const names = new Set((text.match(/\/assets\/[\w.-]+/g) || []).filter((name) => !seen.has(name)));
  for (const name of names) seen.add(name);
  await Promise.all([...names].map(async (name) => storeParts(await get(name, 'default'), seen)));
}

/** @param {string} path @param {RequestCache} cache */
async function get(path, cache) {
  const reply = await fetch(path, { cache });
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return reply.text();
}

/** Starts the worker that keeps the pages, where the browser lets a page have one. */
async function register() {
  if (!('serviceWorker' in navigator)) return;
  const types = /** @type {any} */ (globalThis).trustedTypes;
  const policy = types && types.createPolicy('tillcast', { createScriptURL: () => '/worker.js' });
  await navigator.serviceWorker.register(policy ? policy.createScriptURL('') : '/worker.js');
}
