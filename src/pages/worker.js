// @ts-check
/**
 * Keeps the pages for a browser that does not reach the server. Only a secure page gets this worker; over plain HTTP
 * the browser's own cache has to do.
 *
 * @module
 */
const worker = /** @type {any} */ (self);

/** The pages and their parts, and a name that changes with them: `build.rs` fills them in. */
const FILES = /** @type {string[]} */ ([]);
const CACHE = 'tillcast';
/** A page that is open while a new version comes may still ask for a part of its own. */
const VERSIONS_KEPT = 2;
/** A network that swallows everything must not delay a till for longer; milliseconds. */
const REPLY_WAIT = 3000;

async function install() {
  const cache = await caches.open(CACHE);
  // All or nothing: what a page refers to is there whenever the page is.
  await cache.addAll(FILES.map((path) => new Request(path, { cache: 'reload' })));
  await worker.skipWaiting();
}

async function activate() {
  const others = (await caches.keys()).filter((name) => name.startsWith('tillcast') && name !== CACHE);
  await Promise.all(others.slice(0, 1 - VERSIONS_KEPT).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** The server's page, or the kept one where there is no answer. @param {string} url @param {string} path */
async function page(url, path) {
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), REPLY_WAIT);
  try {
    const reply = await fetch(url, { cache: 'reload', signal: aborter.signal });
    if (reply.ok) return reply;
  } catch {
    // It is offline.
  } finally {
    clearTimeout(timer);
  }
  return (await (await caches.open(CACHE)).match(path)) || Response.error();
}

/** A part has its content's name, so the kept one is right. @param {Request} request */
async function part(request) {
  return (await caches.match(request)) || fetch(request);
}

worker.addEventListener('install', (/** @type {any} */ event) => event.waitUntil(install()));
worker.addEventListener('activate', (/** @type {any} */ event) => event.waitUntil(activate()));
worker.addEventListener('fetch', (/** @type {any} */ event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== 'GET' || origin !== location.origin) return;
  if (pathname.startsWith('/assets/')) event.respondWith(part(event.request));
  else if (mode === 'navigate' && FILES.includes(pathname)) event.respondWith(page(url, pathname));
});
