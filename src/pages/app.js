// @ts-check
/**
 * The elements and words that all pages share. A page imports this and `client.js`, and nothing else.
 *
 * @module
 */
import { connect } from './client.js';
import { stayCurrent } from './update.js';

/** A page that knows an answer already waits so long for a newer one; milliseconds. */
const SOON = 1000;

/** The connection of this page. */
export const client = connect();

/** Loads the texts of the browser's language, or the English ones. */
const LANGUAGES = /** @type {{ [language: string]: () => Promise<{ default: { [name: string]: string } }> }} */ ({
  en: () => import('./texts/en.js'),
  de: () => import('./texts/de.js'),
  es: () => import('./texts/es.js'),
});
const language = (navigator.languages || [navigator.language])
  .map((name) => name.slice(0, 2))
  .find((name) => name in LANGUAGES);
/** @type {{ [name: string]: string }} */
let texts = {};
let isReady = false;

/**
 * A text in the language of the page. `{name}` in it stands for a value.
 *
 * @param {string} name
 * @param {{ [value: string]: string | number }} [values]
 */
export function text(name, values = {}) {
  return (texts[name] || name).replace(/\{(\w+)\}/g, (_, value) => String(values[value]));
}

/** Resolves once texts may be read; fills the places in the document that name one with `data-text`. */
export async function ready() {
  const [read] = await Promise.all([LANGUAGES[language || 'en'](), isRead]);
  texts = read.default;
  document.documentElement.lang = language || 'en';
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-text]'))) {
    place.textContent = text(place.dataset.text || '');
  }
  for (const place of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('[data-label]'))) {
    place.setAttribute('aria-label', text(place.dataset.label || ''));
  }
  isReady = true;
  for (const line of /** @type {NodeListOf<Status>} */ (document.querySelectorAll('shop-status'))) line.show();
}

/**
 * The one who is logged in. Without a login it leads to one, and comes back here.
 *
 * @returns {Promise<{ role: string, name: string }>}
 */
export async function whoami() {
  const me = await told('me', '/api/auth/me', ({ status, body }) => {
    if (status === 401) {
      location.href = `/?next=${encodeURIComponent(location.pathname)}`;
      return new Promise(() => {});
    }
    // A login that works may send what an ended one has left.
    client.retry();
    const one = body.user || body.device;
    return { role: one.role, name: one.username || one.name };
  });
  return me || { role: '', name: '' };
}

/** @typedef {{ name: string | null, currency: string, decimals: number, tax: 'included' | 'added' }} Shop */

/**
 * The shop's terms: its currency, the decimals of that, and whether prices include the tax. A browser that never
 * reached the server has none.
 *
 * @returns {Promise<Shop | undefined>}
 */
export function shop() {
  return told('shop', '/api/shop', ({ status, body }) => (status === 200 ? body : recall('shop')));
}

/**
 * The word of the server on something or, where it is away or slow, its last word.
 *
 * @param {string} name
 * @param {string} path
 * @param {(reply: import('./client.js').Reply) => any} read
 */
async function told(name, path, read) {
  const last = recall(name);
  const asked = client.request('GET', path).then(read).then((now) => {
    if (now) remember(name, now);
    return now;
  });
  const soon = new Promise((resolve) => last && setTimeout(resolve, SOON, last));
  return Promise.race([asked.catch(() => last), soon]);
}

/** The memory of the pages, once it was read. @type {Map<string, any>} */
const values = new Map();

/**
 * The database of what the pages remember. A browser that is killed has not written its `localStorage` of the last
 * minute, so that alone would lose a basket, or the currency.
 *
 * @type {Promise<IDBDatabase>}
 */
const base = new Promise((resolve, reject) => {
  const opened = indexedDB.open('tillcast pages');
  opened.onupgradeneeded = () => opened.result.createObjectStore('values');
  opened.onsuccess = () => resolve(opened.result);
  opened.onerror = reject;
});
base.catch(() => {});

/**
 * Resolves once what the pages remember was read. A page that was left while it wrote may hold the database for as long
 * as the browser keeps it.
 */
const isRead = Promise.race([readValues(), new Promise((resolve) => setTimeout(resolve, SOON))]);

async function readValues() {
  try {
    const store = (await base).transaction('values').objectStore('values');
    await new Promise((resolve, reject) => {
      const asked = store.openCursor();
      asked.onerror = reject;
      asked.onsuccess = () => {
        const cursor = asked.result;
        if (!cursor) return resolve(undefined);
        values.set(String(cursor.key), cursor.value);
        cursor.continue();
      };
    });
  } catch {
    // A browser without a database has the other memory.
  }
}

/**
 * Keeps a small value over a reload, where the browser lets it. A page that leaves before this resolves may lose it.
 *
 * @param {string} name
 * @param {any} value
 * @param {'strict' | 'default'} [durability] `strict` for what a power cut must not take.
 */
export async function remember(name, value, durability = 'default') {
  values.set(name, value);
  try {
    localStorage.setItem(`tillcast ${name}`, JSON.stringify(value));
  } catch {
    // It is asked for again.
  }
  try {
    const write = (await base).transaction('values', 'readwrite', { durability });
    write.objectStore('values').put(value, name);
    await new Promise((end) => (write.oncomplete = write.onabort = end));
  } catch {
    // A browser without a database has the other memory.
  }
}

/** The kept value, or `undefined`. @param {string} name */
export function recall(name) {
  if (values.has(name)) return values.get(name);
  try {
    return JSON.parse(localStorage.getItem(`tillcast ${name}`) || 'null') || undefined;
  } catch {
    return undefined;
  }
}

stayCurrent(client, { remember, recall, isRead });

/**
 * A new element: `h('button', {class: 'big', onclick}, 'Sell')`.
 *
 * @param {string} tag
 * @param {{ [name: string]: any }} [attributes]
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Makes the children of `parent` those of `items`, in their order. An element is made once for each key, and moved
 * rather than made anew, so that focus and animations stay.
 *
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {(item: T) => string | number} key
 * @param {(item: T) => Element} create
 * @param {(element: any, item: T) => void} update
 */
export function show(parent, items, key, create, update) {
  const names = items.map((item) => String(key(item)));
  const kept = new Set(names);
  /** @type {Map<string, Element>} */
  const old = new Map();
  // Those that are gone go first, so that the others stay where they are.
  for (const child of /** @type {HTMLElement[]} */ ([...parent.children])) {
    if (kept.has(child.dataset.key || '')) old.set(child.dataset.key || '', child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  items.forEach((item, at) => {
    const name = names[at];
    let child = old.get(name);
    if (!child) {
      child = create(item);
      /** @type {HTMLElement} */ (child).dataset.key = name;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  });
}

/** Calls `work` once before the next frame, however often it is asked for. @param {() => void} work */
export function onFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    // A hidden page has no frames.
    const soon = document.hidden ? (/** @type {() => void} */ next) => setTimeout(next, 100) : requestAnimationFrame;
    soon(() => {
      asked = false;
      work();
    });
  };
}

/**
 * The ways to write numbers, by their currency; to make one takes as long as a hundred numbers.
 *
 * @type {Map<string, Intl.NumberFormat>}
 */
const formats = new Map();

/** @param {string} currency that of an amount, or nothing for a quantity @param {number} number */
function written(currency, number) {
  let format = formats.get(currency);
  if (!format) {
    format = new Intl.NumberFormat(language, currency ? { style: 'currency', currency } : { maximumFractionDigits: 3 });
    formats.set(currency, format);
  }
  return format.format(number);
}

/** An amount as people write it. @param {number} amount @param {string} currency */
export const money = (amount, currency) => written(currency, amount);

/** A quantity as people write it. @param {number} quantity */
export const quantity = (quantity) => written('', quantity);

/** The time since a moment, such as `4:05`. @param {number} since milliseconds since 1970 */
export function age(since) {
  const seconds = Math.max(0, Math.floor((client.now() - since) / 1000));
  const [minutes, rest] = [Math.floor(seconds / 60), String(seconds % 60).padStart(2, '0')];
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @type {AudioContext | undefined} */
let audio;
// A browser lets a page sound only after a person touched it.
for (const touch of ['pointerdown', 'keydown']) {
  addEventListener(touch, () => {
    if (typeof AudioContext === 'function') audio = audio || new AudioContext();
  });
}

/** A tone; nothing before the first touch. @param {number} frequency in Hz @param {number} [time] in seconds */
export function tone(frequency, time = 0.15) {
  if (!audio) return;
  const [oscillator, gain] = [audio.createOscillator(), audio.createGain()];
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0.2, audio.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + time);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start();
  oscillator.stop(audio.currentTime + time);
}

/** A short message at the foot of the page, perhaps with a button. */
export class Toast extends HTMLElement {
  /** @param {string} message @param {{ label: string, act: () => void }} [button] @param {number} [time] in ms */
  say(message, button, time = 10000) {
    const note = h('p', { role: 'status' }, h('span', {}, message));
    const end = () => note.remove();
    if (button) {
      const act = () => {
        end();
        button.act();
      };
      note.append(h('button', { type: 'button', onclick: act }, button.label));
    }
    this.append(note);
    setTimeout(end, time);
    while (this.children.length > 3) this.firstElementChild?.remove();
  }
}

/** The line that says the truth about the connection, and about what was not sent yet. */
export class Status extends HTMLElement {
  connectedCallback() {
    this.setAttribute('role', 'status');
    /** @type {string} */
    this.told = '';
    this.since = Date.now();
    this.waiting = 0;
    client.on('state', () => {
      this.since = Date.now();
      this.show();
    });
    client.on('outbox', (entries) => {
      const count = (/** @type {string[]} */ ...states) =>
        entries.filter((/** @type {any} */ entry) => states.includes(entry.state)).length;
      this.waiting = count('pending', 'sending', 'blocked');
      this.refused = count('refused');
      this.show();
    });
    setInterval(() => this.show(), 1000);
    this.show();
  }

  show() {
    if (!isReady) return;
    // A clock may be set meanwhile.
    const seconds = Math.max(0, Math.round((Date.now() - (this.since || 0)) / 1000));
    const time = seconds < 100 ? `${seconds} s` : age(client.now() - 1000 * seconds);
    const parts = [text(`status_${client.state}`, { time })];
    if (this.waiting) parts.push(text('status_waiting', { count: this.waiting }));
    if (!client.outbox.isDurable && this.hasAttribute('sells')) parts.push(text('status_fragile'));
    if (this.refused) parts.push(text('status_refused', { count: this.refused }));
    const line = parts.join(' · ');
    if (this.told === line) return;
    this.told = line;
    this.replaceChildren(line);
    if (client.state === 'signed_out' && location.pathname !== '/') {
      this.append(' ', h('a', { href: `/?next=${encodeURIComponent(location.pathname)}` }, text('log_in')));
    }
    this.dataset.state = client.state;
  }
}

customElements.define('shop-toast', Toast);
customElements.define('shop-status', Status);
