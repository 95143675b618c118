// A page that runs client.js as the server serves it, with globals of its own, so that it can be killed at any step.

import vm from 'node:vm';

import { need } from './server.mjs';

const { IDBFactory, IDBKeyRange } = need('fake-indexeddb');
const { WebSocket } = need('ws');

/** Does nothing, whatever is asked of it. */
const NOTHING = new Proxy(() => {}, { get: () => NOTHING, apply: () => NOTHING, set: () => true });

/** Keeps what a browser keeps of an origin or of a tab. */
export function storage() {
  const values = new Map();
  return { getItem: (name) => values.get(name) ?? null, setItem: (name, value) => void values.set(name, value) };
}

/** A browser: the pages of one share its disk and hear each other. */
export class Browser {
  indexedDB = new IDBFactory();
  localStorage = storage();
  pages = new Set();

  /** Opens a page. `tab` is what a reload keeps; the other options replace a global, or are of `Page`. */
  async open(server, options = {}) {
    const page = new Page(this, options);
    this.pages.add(page);
    const source = await (await fetch(`${server.url}/client.js`)).text();
    const module = new vm.SourceTextModule(source, { context: page.context, identifier: 'client.js' });
    await module.link(() => {
      throw new Error('client.js imports something');
    });
    await module.evaluate();
    page.module = module.namespace;
    page.client = page.module.connect({ url: server.url, token: server.token, ...options.connect });
    return page;
  }
}

export class Page {
  alive = true;
  /** The steps so far: each is a place at which a crash leaves something else behind. */
  steps = [];
  /** The requests, and the messages of the sockets. */
  asked = [];
  said = [];
  #timers = new Set();
  #transactions = new Set();
  #sockets = new Set();
  #listeners = new Map();

  constructor(browser, { tab = storage(), killAt = Infinity, clock = 0, answer, Socket = WebSocket, globals = {} }) {
    Object.assign(this, { browser, killAt, answer });
    const page = this;
    this.context = vm.createContext({
      ...{ URL, URLSearchParams, AbortController, console, crypto, IDBKeyRange },
      indexedDB: this.#database(browser.indexedDB),
      localStorage: browser.localStorage,
      sessionStorage: tab,
      setTimeout: (call, time) => this.#timer(setTimeout, call, time),
      setInterval: (call, time) => this.#timer(setInterval, call, time),
      clearTimeout,
      clearInterval: clearTimeout,
      addEventListener: (name, call) => this.#listeners.set(name, call),
      removeEventListener: (name) => this.#listeners.delete(name),
      fetch: (url, options) => this.#fetch(url, options),
      BroadcastChannel: class {
        constructor() {
          page.channel = this;
        }
        postMessage(data) {
          for (const other of browser.pages) {
            if (other !== page && other.alive) setImmediate(() => other.alive && other.channel.onmessage?.({ data }));
          }
        }
        close() {}
      },
      WebSocket: class extends Socket {
        constructor(...words) {
          super(...words);
          page.#sockets.add(this);
        }
        send(text) {
          page.said.push(JSON.parse(text));
          super.send(text);
        }
      },
      ...globals,
    });
    if (clock) vm.runInContext(`{ const now = Date.now; Date.now = () => now() + ${clock}; }`, this.context);
  }

  /** The browser tells the page something, such as `online`. */
  hears(name) {
    this.#listeners.get(name)();
  }

  /** Nothing of the page runs any more, as after a crash. */
  kill() {
    this.alive = false;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#sockets) socket.terminate();
    for (const transaction of this.#transactions) {
      transaction.onabort = transaction.oncomplete = null;
      try {
        transaction.abort();
      } catch {
        // It has ended already.
      }
    }
  }

  /** Ends the page as a person does. */
  close() {
    this.client.close();
    this.browser.pages.delete(this);
  }

  /** Whether the page still runs after this step. */
  step(name) {
    if (!this.alive) return false;
    this.steps.push(name);
    if (this.steps.length === this.killAt) this.kill();
    return this.alive;
  }

  #timer(start, call, time) {
    const timer = start(() => this.alive && call(), time);
    this.#timers.add(timer);
    return timer;
  }

  async #fetch(url, options) {
    const never = new Promise(() => {});
    if (!this.step(`ask ${options.method} ${new URL(url).pathname}`)) return never;
    const { method, body } = options;
    this.asked.push({ at: performance.now(), method, url, body: body && JSON.parse(body) });
    const reply = await (this.answer ? this.answer(url, options, () => fetch(url, options)) : fetch(url, options));
    return this.step('answered') ? reply : never;
  }

  #database(factory) {
    return wrap(factory, {
      open: (...words) => {
        const request = factory.open(...words);
        const database = () =>
          wrap(request.result, {
            transaction: (stores, mode, options) => {
              if (!this.step(`begin ${mode} ${stores} ${options.durability}`)) return NOTHING;
              const transaction = request.result.transaction(stores, mode, options);
              this.#transactions.add(transaction);
              return wrap(transaction, {}, (name, call) =>
                name === 'oncomplete' ? () => this.step(`complete ${stores}`) && call() : call);
            },
          });
        return new Proxy(request, {
          get: (target, name) => (name === 'result' ? database() : target[name]),
          set: (target, name, call) => {
            target[name] = (event) => this.alive && call(event);
            return true;
          },
        });
      },
    });
  }
}

/** An object with some methods replaced, whose handlers pass through `handler`. */
function wrap(object, methods, handler = (name, call) => call) {
  return new Proxy(object, {
    get(target, name) {
      if (name in methods) return methods[name];
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set(target, name, call) {
      target[name] = handler(name, call);
      return true;
    },
  });
}
