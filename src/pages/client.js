// @ts-check
/**
 * The client of a Tillcast server: one WebSocket that comes back by itself, lists that stay as they are on the
 * server, and an outbox whose sales survive a crash and a server that is away.
 *
 * It is one ES module without dependencies, for browsers of 2020 and later, Node.js and Deno, and one file, so that
 * it can be fetched and kept as one. Its parts, each a function: `keep` (what survives a reload), `requests` (HTTP),
 * `connection` (the WebSocket), `makeList`, `makeOutbox`, `database` (IndexedDB), `amounts`.
 *
 * @module
 */

/** @typedef {'connecting' | 'catching_up' | 'live' | 'offline' | 'signed_out'} State */
/** @typedef {'pending' | 'sending' | 'sent' | 'refused' | 'blocked'} OutboxState */
/** @typedef {{ [field: string]: any, id: number }} Row */
/** @typedef {{ [field: string]: any }} Sale The body of `POST /api/sales`. */
/** @typedef {{ event: string, data: Row, timestamp: string, seq: number }} ShopEvent */
/**
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} detail
 * @property {number} status
 * @property {{ field: string, code: string, message: string }[]} [errors]
 */
/**
 * @typedef {object} Options
 * @property {string} [url] The server's address, such as `http://192.168.1.10:3000`; else that of the page.
 * @property {string} [token] A device's token; else the page's cookie.
 * @property {any} [WebSocket] The class of the sockets; else the global one.
 * @property {typeof fetch} [fetch] Else the global one.
 * @property {Pick<Storage, 'getItem' | 'setItem'>} [storage] Keeps the position and the clock's offset; else
 *   `sessionStorage` and `localStorage`.
 */
/**
 * @typedef {object} Reply
 * @property {number} status
 * @property {any} body The JSON, or null.
 * @property {number} seq The position in the event log of what was read; 0 if it read nothing of the shop.
 * @property {string} etag The version of what was read, for `If-Match`; empty for a list.
 * @property {number} retryAfter The time that the server asks to wait before the next try; milliseconds.
 */
/**
 * @typedef {object} Entry An entry of the outbox.
 * @property {string} id The sale's `client_id`.
 * @property {number} at The time at which it was added; milliseconds since 1970.
 * @property {Sale} sale
 * @property {OutboxState} state
 * @property {any} [reply] What the server said to a sale that it has: the order, its transactions, the change.
 * @property {Problem} [problem] The reason of a refusal.
 */
/**
 * @typedef {object} List A list that stays as it is on the server.
 * @property {readonly Row[]} items The rows, newest first unless `order=asc`. A new array after each change.
 * @property {State | 'refused'} state `connecting` until the rows are there, then the state of the connection;
 *   `refused` with `problem`.
 * @property {Problem | undefined} problem
 * @property {(listener: () => void) => () => void} subscribe Calls it after each change, until the returned function
 *   is called.
 * @property {() => readonly Row[]} getSnapshot The rows; the same array until they change.
 * @property {() => void} close
 */
/**
 * @typedef {object} Outbox The sales that the server does not have yet, and the last that it has.
 * @property {boolean} isDurable Whether sales survive a reload. Without that, `add` sells only while the server is
 *   there.
 * @property {(sale: Sale) => Promise<Entry & { done: Promise<Entry> }>} add Takes a sale. Without a `client_id` it gets
 *   one; without `sold_at` it is sold now (`sold_at: null` asks the server first, as a kiosk must). It resolves once
 *   the sale is on the disk; `done` resolves once the server has it or has refused it, and rejects if a person removes
 *   it before. A repeat of a `client_id` gives the entry that is there.
 * @property {() => Promise<Entry[]>} list The entries, in their order.
 * @property {(id: string, sale?: Sale) => Promise<void>} retry Sends a refused or blocked entry again, perhaps changed
 *   by a person.
 * @property {(id: string) => Promise<void>} remove Forgets an entry; only a person may ask for it.
 */
/**
 * @typedef {{
 *   (name: 'state', listener: (change: { state: State, before: State }) => void): () => void;
 *   (name: 'outbox', listener: (entries: Entry[]) => void): () => void;
 *   (name: 'reset', listener: (lost: { channel: string }) => void): () => void;
 *   (name: 'version' | 'problem', listener: (told: string) => void): () => void;
 *   (name: string, listener: (event: ShopEvent) => void): () => void;
 * }} Listen
 */
/** @typedef {(method: string, path: string, body?: any, headers?: { [name: string]: string }) => Promise<Reply>} Ask */
/**
 * @typedef {object} Client
 * @property {State} state
 * @property {Listen} on Calls `listener` for each event of that name, such as `order:created`, or of `order`; for
 *   `state` of the connection; for `outbox` with its entries; for `version` with the server's, first and when it
 *   changes; for `reset` when events were lost; for `problem` when the server names a mistake of the client. Events
 *   that came while the page was reloaded follow first. The returned function ends it.
 * @property {(path: string, options?: { keep?: boolean }) => List} live A list that stays as it is on the server, such
 *   as `/api/orders?status=pending`. With `keep`, a page that opens without the server shows it as it was.
 * @property {Outbox} outbox
 * @property {Ask} request Asks the server. Rejects only where it could not be reached.
 * @property {() => number} now The server's time; milliseconds since 1970.
 * @property {() => void} retry Tries at once, for example after a login.
 * @property {() => void} close Ends the connection, and all lists.
 */

/** The entities, and the channel of each. */
const CHANNELS = /** @type {{ [plural: string]: string }} */ ({
  orders: 'order_changes',
  products: 'product_changes',
  customers: 'customer_changes',
  shipments: 'shipment_changes',
  transactions: 'transaction_changes',
});
/** The names of events that are not of the shop. */
const OWN_EVENTS = ['state', 'outbox', 'reset', 'version', 'problem'];
/** The events of a page that can mean that the network or the page is back. */
const WAKING = ['online', 'pageshow', 'focus'];
/** Parameters of a list that are no filters, and those with which it could not follow the log. */
const NO_FILTERS = ['limit', 'order'];
const NO_LISTS = ['after', 'ids', 'updated_since'];

/** Waits in milliseconds. */
const BACK_OFF_MIN = 500;
const BACK_OFF_MAX = 20000;
const TURNS_MAX = 30000;
const REPLY_WAIT = 10000;
const PONG_WAIT = 3000;
const SILENCE_MAX = 25000;
const WATCH_EVERY = 5000;
/** The time between two questions whether all has come. */
const LAG_EVERY = 200;
/** The shortest time between two reads of missing rows, and how long the first waits for others. */
const GATHER = 50;
const GATHER_FIRST = 5;
const SAVE_AFTER = 100;
const KEEP_AFTER = 2000;
/** The right to send ends so soon after a page has died; one that lives renews it in time. */
const LEASE = 3000;
/** Rows of one GET. */
const PAGE_ROWS = 200;
const IDS_MAX = 100;
/** Sent sales that the outbox still lists. */
const SENT_KEPT = 100;

/** A random UUID; `crypto.randomUUID` is missing on a page over plain HTTP. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Listeners by name. One that fails does not keep the others from their call. */
function emitter() {
  /** @type {Map<string, Set<(value: any) => void>>} */
  const listeners = new Map();
  return {
    /** @param {string} name @param {(value: any) => void} listener */
    on(name, listener) {
      if (typeof listener !== 'function') throw new TypeError('the listener is no function');
      const of = listeners.get(name) || new Set();
      listeners.set(name, of.add(listener));
      return () => void of.delete(listener);
    },
    /** @param {string} name @param {any} [value] */
    emit(name, value) {
      for (const listener of [...(listeners.get(name) || [])]) {
        try {
          listener(value);
        } catch (error) {
          console.error(error);
        }
      }
    },
  };
}

/**
 * A client of the server.
 *
 * @param {Options} [options]
 * @returns {Client}
 */
export function connect(options = {}) {
  const page = typeof location === 'object' && location ? location.href : 'http://localhost:3000';
  const base = new URL(options.url || '/', page);
  if (!/^https?:$/.test(base.protocol)) throw new TypeError(`${base.href} is no address over http or https`);
  const { on, emit } = emitter();
  const http = requests(options, base, emit);
  const socket = connection(options, base, http, emit);
  const store = database(`tillcast ${base.origin}`);
  const outbox = makeOutbox(store, http, socket, emit);
  /** @type {Set<ReturnType<typeof makeList>>} */
  const lists = new Set();
  http.onSignedOut = socket.signedOut;
  socket.onWake = outbox.send;
  socket.onEvent = (event) => {
    for (const list of lists) list.apply(event);
    emit(event.event, event);
    emit(event.event.split(':')[0], event);
  };
  socket.onBegin = (channel, seq, isReset) => {
    for (const list of lists) if (list.channel === channel) list.begin(seq, isReset);
    if (isReset) emit('reset', { channel });
  };
  socket.onState = (state, before) => {
    for (const list of lists) list.stateChanged(state);
    if (state === 'catching_up') outbox.unblock();
    emit('state', { state, before });
  };

  return {
    get state() {
      return socket.state;
    },
    on(/** @type {string} */ name, /** @type {(value: any) => void} */ listener) {
      const [entity, verb = 'created', more] = name.split(':');
      const channel = CHANNELS[`${entity}s`];
      const isKnown = channel && ['created', 'updated', 'deleted'].includes(verb) && more === undefined;
      if (!isKnown && !OWN_EVENTS.includes(name)) throw new TypeError(`there is no event ${name}`);
      const off = on(name, listener);
      const leave = channel ? socket.join(channel, true) : () => {};
      if (name === 'outbox') outbox.show();
      return () => {
        off();
        leave();
      };
    },
    live(path, { keep: isKept = false } = {}) {
      const list = makeList(path, socket, http, isKept ? store : null, () => lists.delete(list));
      lists.add(list);
      return list.api;
    },
    outbox: outbox.api,
    request: http.send,
    now: http.now,
    retry() {
      socket.wake();
      outbox.unblock();
    },
    close() {
      for (const list of [...lists]) list.api.close();
      outbox.close();
      socket.close();
    },
  };
}

/**
 * Small values that survive a reload, under one name.
 *
 * @param {string} name
 * @param {() => Pick<Storage, 'getItem' | 'setItem'> | undefined} storage may throw: a browser may forbid it
 */
function keep(name, storage) {
  /** @type {{ [key: string]: any }} */
  let values = {};
  try {
    values = { ...JSON.parse(storage()?.getItem(name) || '{}') };
  } catch {
    // The entry may be of somebody else, too.
  }
  return {
    /** @param {string} key */
    get: (key) => values[key],
    /** @param {string} key @param {any} value */
    set(key, value) {
      values[key] = value;
      try {
        storage()?.setItem(name, JSON.stringify(values));
      } catch {
        // Without it, the next page reads everything again.
      }
    },
  };
}

/**
 * Requests, and what each reply tells by the way: the server's clock and version.
 *
 * @param {Options} options
 * @param {URL} base
 * @param {(name: string, value?: any) => void} emit
 */
function requests(options, base, emit) {
  const ask = options.fetch || fetch.bind(globalThis);
  const memory = keep(`tillcast ${base.origin}`, () => options.storage || globalThis.localStorage);
  let version = '';
  const here = { onSignedOut() {}, now, send };
  return here;

  function now() {
    return Date.now() + (memory.get('offset') || 0);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {any} [body]
   * @param {{ [name: string]: string }} [headers]
   * @returns {Promise<Reply>}
   */
  async function send(method, path, body, headers = {}) {
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(), REPLY_WAIT);
    const begun = Date.now();
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    try {
      const reply = await ask(new URL(path, base).href, {
        method,
        headers: {
          ...(body === undefined ? {} : { 'Content-Type': type }),
          ...(options.token ? { Authorization: `Bearer ${options.token}` } : {}),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: options.token ? 'omit' : 'same-origin',
        cache: 'no-store',
        signal: aborter.signal,
      });
      const text = await reply.text();
      look(reply.headers, begun);
      if (reply.status === 401 && !path.startsWith('/api/auth/')) here.onSignedOut();
      return {
        status: reply.status,
        body: text ? JSON.parse(text) : null,
        seq: Number(reply.headers.get('Tillcast-Seq')) || 0,
        etag: reply.headers.get('ETag') || '',
        retryAfter: 1000 * Number(reply.headers.get('Retry-After')) || 0,
      };
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {Headers} headers @param {number} begun */
  function look(headers, begun) {
    const ended = Date.now();
    // The header is cut to seconds, and was written at some time during the request.
    const offset = Date.parse(headers.get('Date') || '') + 500 - (begun + ended) / 2;
    const error = 500 + (ended - begun) / 2;
    if (Math.abs(offset - (now() - ended)) > error) memory.set('offset', Math.round(offset));
    const told = headers.get('Tillcast-Version') || version;
    if (told === version) return;
    version = told;
    emit('version', told);
  }
}

/**
 * The WebSocket. It comes back for ever, and continues after the last event that it saw.
 *
 * @param {Options} options
 * @param {URL} base
 * @param {ReturnType<typeof requests>} http
 * @param {(name: string, value?: any) => void} emit
 */
function connection(options, base, http, emit) {
  const url = new URL('/ws', base);
  url.protocol = url.protocol.replace('http', 'ws');
  // Each tab has seen other events.
  const memory = keep(`tillcast at ${base.origin}`, () => options.storage || globalThis.sessionStorage);
  /** @type {{ log?: string, positions: { [channel: string]: number } }} what an earlier page has seen */
  const seen = { positions: {}, ...memory.get('seen') };
  /** @type {Map<string, number>} listeners of each channel */
  const wanted = new Map();
  /** @type {Set<string>} channels whose position survives a reload */
  const kept = new Set();
  /** @type {Map<string, number>} the last event of each channel that was seen */
  const positions = new Map();
  /** @type {Map<string, number>} the position after which a channel was followed without a gap */
  const begins = new Map();
  /** @type {Set<string>} channels that were not acknowledged yet */
  const waiting = new Set();
  /** @type {any} */
  let socket = null;
  let open = false;
  let ended = false;
  let heard = 0;
  let ticked = Date.now();
  let failures = 0;
  /** The times at which this client may come back, as the server has told: `at`, modulo `every`. */
  let turn = { at: 0, every: 0 };
  /** @type {any} the next dial */
  let timer = null;
  /** @type {any} the end of the patience with this socket */
  let deadline = null;
  /** @type {any} */
  let saving = null;
  const watch = setInterval(tick, WATCH_EVERY);
  if (typeof watch === 'object') /** @type {any} */ (watch).unref();

  const here = {
    /** @type {State} */
    state: 'connecting',
    /** @type {(event: ShopEvent) => void} */
    onEvent() {},
    /** A channel is followed anew, from `seq` on. @type {(channel: string, seq: number, isReset: boolean) => void} */
    onBegin() {},
    /** @type {(state: State, before: State) => void} */
    onState() {},
    /** The network or the page may be back. */
    onWake() {},
    join,
    covers,
    wake,
    close,
    /** The session has ended: a person has to log in. */
    signedOut() {
      if (!ended && here.state !== 'signed_out') lost(1008);
    },
  };
  const target = typeof addEventListener === 'function' ? globalThis : null;
  const paper = typeof document === 'object' ? document : null;
  const awake = () => {
    if (!paper || paper.visibilityState !== 'hidden') wake();
  };
  // The browser may be wrong, and the socket may hear nothing or go on where no request does: both are asked.
  const unplugged = () => {
    wake();
    http.send('HEAD', '/healthz').catch(() => open && lost(0));
  };
  if (target) for (const name of WAKING) target.addEventListener(name, awake);
  if (target) target.addEventListener('offline', unplugged);
  if (target) target.addEventListener('pagehide', saveNow);
  if (paper) paper.addEventListener('visibilitychange', awake);
  wait(0);
  return here;

  /** @param {State} state */
  function set(state) {
    const before = here.state;
    if (state === before) return;
    here.state = state;
    here.onState(state, before);
  }

  /** @param {string} channel @param {boolean} survives */
  function join(channel, survives) {
    const listeners = wanted.get(channel) || 0;
    wanted.set(channel, listeners + 1);
    if (survives && !kept.has(channel)) {
      kept.add(channel);
      if (channel in seen.positions) begin(channel, seen.positions[channel]);
      // Only a page that opens continues there.
      delete seen.positions[channel];
    }
    if (listeners === 0 && open) subscribe(channel);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const rest = (wanted.get(channel) || 1) - 1;
      wanted.set(channel, rest);
      if (rest > 0) return;
      for (const of of [wanted, positions, begins, waiting, kept]) of.delete(channel);
      say({ type: 'unsubscribe', channel });
    };
  }

  /** Follows a channel from this position on, if it is not followed yet. @param {string} channel @param {number} seq */
  function begin(channel, seq) {
    if (positions.has(channel) || waiting.has(channel)) return;
    positions.set(channel, seq);
    begins.set(channel, seq);
  }

  /**
   * Whether each event after this position comes, or has come. A channel that is not followed yet begins there; if
   * that is not known yet, `onBegin` will tell.
   *
   * @param {string} channel
   * @param {number} seq
   */
  function covers(channel, seq) {
    begin(channel, seq);
    return (begins.get(channel) || 0) <= seq;
  }

  /** @param {string} channel */
  function subscribe(channel) {
    waiting.add(channel);
    const since = positions.get(channel);
    say({ type: 'subscribe', channel, ...(since === undefined ? {} : { since, log: seen.log }) });
  }

  /** @param {any} message */
  function say(message) {
    if (socket && open) socket.send(JSON.stringify(message));
  }

  function dial() {
    timer = null;
    const Socket = options.WebSocket || globalThis.WebSocket;
    try {
      socket = options.token
        ? new Socket(url.href, ['tillcast.v1', `bearer.${options.token}`])
        : new Socket(url.href);
    } catch (error) {
      console.error(error);
      return lost(0);
    }
    const own = socket;
    own.onmessage = (/** @type {any} */ { data }) => own === socket && receive(data);
    own.onclose = (/** @type {any} */ { code }) => own === socket && lost(code);
    own.onerror = () => {};
    deadline = setTimeout(() => lost(0), REPLY_WAIT);
  }

  function calm() {
    clearTimeout(deadline);
    deadline = null;
  }

  /** @param {number} code */
  function lost(code) {
    drop(code === 1008 ? 'signed_out' : 'offline');
    const doubled = failures + (turn.every ? 0 : 1);
    const most = Math.min(BACK_OFF_MIN * 2 ** doubled, BACK_OFF_MAX - turn.every);
    failures += 1;
    wait(BACK_OFF_MIN + Math.random() * Math.max(0, most - BACK_OFF_MIN));
  }

  /** @param {State} state */
  function drop(state) {
    const own = socket;
    socket = null;
    open = false;
    waiting.clear();
    calm();
    if (own) own.close();
    set(state);
  }

  /**
   * Dials at the next turn after this time. All clients lose a server in the same moment; their turns are spread, so
   * that they come back evenly however long it is away. A wrong clock only moves the turn.
   *
   * @param {number} time
   */
  function wait(time) {
    clearTimeout(timer);
    if (ended) return;
    const { at, every } = turn;
    const rest = every && (at - Date.now() - time) % every;
    timer = setTimeout(dial, time + (rest < 0 ? rest + every : rest));
  }

  /** @param {string} text */
  function receive(text) {
    heard = Date.now();
    const message = parse(text);
    if (open) calm();
    if (message.event) return take(message);
    const { type } = message;
    if (type === 'connected') {
      calm();
      open = true;
      failures = 0;
      set('catching_up');
      say({ type: 'turn' });
      for (const each of wanted.keys()) if (!waiting.has(each)) subscribe(each);
      askLag();
    } else if (type === 'subscribed' || type === 'reset') {
      acknowledged(message);
      askLag();
    } else if (type === 'lag') {
      if (message.unsent > 0) setTimeout(askLag, LAG_EVERY);
      else if (isCatchingUp()) set('live');
    } else if (type === 'turn') {
      if (message.at >= 0 && message.every <= TURNS_MAX) turn = message;
    } else if (type === 'error') {
      const refused = [...waiting].filter((each) => String(message.message).includes(each));
      for (const each of refused) waiting.delete(each);
      emit('problem', message.message);
      if (refused.length > 0) askLag();
    }
  }

  /** Whether each channel is followed, but perhaps not all of its events have come. */
  function isCatchingUp() {
    return here.state === 'catching_up' && waiting.size === 0;
  }

  /** Asks whether all has come that happened so far. A pong would not tell: it overtakes what is read from the log. */
  function askLag() {
    if (!isCatchingUp()) return;
    say({ type: 'lag' });
    probe();
  }

  /** @param {any} text @returns {any} */
  function parse(text) {
    try {
      const message = JSON.parse(text);
      const { type, event, data, seq } = message;
      if (event === undefined ? type : typeof event === 'string' && data.id > 0 && seq > 0) return message;
    } catch {
      // It is told below.
    }
    emit('problem', `the server has sent ${text}`);
    return {};
  }

  /** @param {{ type: string, channel: string, seq: number, log: string }} message */
  function acknowledged({ type, channel, seq, log }) {
    if (!wanted.has(channel)) return;
    const isReset = type === 'reset';
    const continues = !isReset && positions.get(channel) === seq && (!seen.log || log === seen.log);
    waiting.delete(channel);
    if (log !== seen.log) {
      // The positions in another log mean nothing.
      seen.log = log;
      seen.positions = {};
    }
    positions.set(channel, seq);
    save();
    if (continues) return;
    begins.set(channel, seq);
    here.onBegin(channel, seq, isReset);
  }

  /** @param {ShopEvent} event */
  function take(event) {
    const channel = CHANNELS[`${event.event.split(':')[0]}s`];
    if (!wanted.has(channel) || event.seq <= (positions.get(channel) || 0)) return;
    positions.set(channel, event.seq);
    save();
    here.onEvent(event);
  }

  function save() {
    saving = saving || setTimeout(saveNow, SAVE_AFTER);
  }

  function saveNow() {
    clearTimeout(saving);
    saving = null;
    const held = [...positions].filter(([channel]) => kept.has(channel));
    memory.set('seen', { ...seen, positions: { ...seen.positions, ...Object.fromEntries(held) } });
  }

  /** Asks for a sign of life; a socket that gives none is replaced. */
  function probe() {
    if (!open || deadline) return;
    say({ type: 'ping' });
    deadline = setTimeout(() => {
      drop('offline');
      wait(0);
    }, PONG_WAIT);
  }

  function wake() {
    if (ended) return;
    here.onWake();
    if (open) probe();
    else if (timer) wait(0);
  }

  function tick() {
    const now = Date.now();
    const slept = now - ticked > 3 * WATCH_EVERY;
    ticked = now;
    if (slept) wake();
    else if (now - heard > SILENCE_MAX) probe();
  }

  function close() {
    ended = true;
    clearInterval(watch);
    clearTimeout(timer);
    saveNow();
    if (target) for (const name of WAKING) target.removeEventListener(name, awake);
    if (target) target.removeEventListener('offline', unplugged);
    if (target) target.removeEventListener('pagehide', saveNow);
    if (paper) paper.removeEventListener('visibilitychange', awake);
    drop('offline');
  }
}

/**
 * One list. Each row has the position in the log at which it was read, so an event that is older than its row
 * changes nothing.
 *
 * @param {string} path
 * @param {ReturnType<typeof connection>} socket
 * @param {ReturnType<typeof requests>} http
 * @param {ReturnType<typeof database>} store keeps the list, if there is one
 * @param {() => void} onClose
 */
function makeList(path, socket, http, store, onClose) {
  const url = new URL(path, 'http://server');
  const [, root, plural, more] = url.pathname.split('/');
  const channel = CHANNELS[plural];
  const names = [...url.searchParams.keys()];
  if (!channel || root !== 'api' || more !== undefined || names.some((name) => NO_LISTS.includes(name))) {
    throw new TypeError(`${path} is no list that changes`);
  }
  const entity = plural.slice(0, -1);
  const limit = Number(url.searchParams.get('limit')) || 0;
  const ascends = url.searchParams.get('order') === 'asc';
  const filters = [...url.searchParams].filter(([name]) => !NO_FILTERS.includes(name));
  const { on, emit } = emitter();
  /** @type {Map<number, {row: Row, seq: number}>} */
  let rows = new Map();
  /** @type {readonly Row[]} */
  let items = [];
  /** The position at which the list was read. */
  let readAt = 0;
  /** @type {ShopEvent[] | null} events since a read of the list began */
  let since = null;
  /** @type {Map<number, ShopEvent[]>} rows that are to be read, with their events since */
  const missing = new Map();
  let loaded = false;
  let isStale = false;
  let closed = false;
  /** Whether the server has more rows than `limit`. */
  let isCut = false;
  let isReading = false;
  let gathered = 0;
  /** @type {any} */
  let gathering = null;
  /** @type {any} */
  let again = null;
  /** @type {any} */
  let keeping = null;
  /** @type {Problem | undefined} */
  let problem;
  const leave = socket.join(channel, false);

  /** @type {List} */
  const api = {
    get items() {
      return items;
    },
    get state() {
      if (problem) return 'refused';
      return loaded || socket.state !== 'live' ? socket.state : 'connecting';
    },
    get problem() {
      return problem;
    },
    subscribe: (listener) => on('change', listener),
    getSnapshot: () => items,
    close() {
      closed = true;
      for (const timer of [gathering, again, keeping]) clearTimeout(timer);
      leave();
      onClose();
    },
  };
  load();
  if (store) store.kept(path).then(showKept, console.error);
  return { api, channel, apply, begin, stateChanged };

  /** @param {Row[] | undefined} kept */
  function showKept(kept) {
    if (loaded || closed || !kept) return;
    items = kept;
    emit('change');
  }

  function changed() {
    const sorted = [...rows.values()].map(({ row }) => row);
    sorted.sort((a, b) => (ascends ? a.id - b.id : b.id - a.id));
    if (limit && sorted.length > limit) {
      for (const { id } of sorted.splice(limit)) rows.delete(id);
      isCut = true;
    }
    items = sorted;
    if (store && !keeping) {
      keeping = setTimeout(() => {
        keeping = null;
        store.keep(path, items).catch(console.error);
      }, KEEP_AFTER);
    }
    emit('change');
  }

  /** @param {State} state */
  function stateChanged(state) {
    if (!loaded && !since && state === 'catching_up') load();
    emit('change');
  }

  /**
   * The channel is followed from `seq` on; what changed before, a read has to show.
   *
   * @param {number} seq
   * @param {boolean} isReset
   */
  function begin(seq, isReset) {
    if (since ? isReset : isReset || readAt < seq) load();
  }

  /** Reads the whole list. Events that come meanwhile are applied where they are newer than the row. */
  async function load() {
    if (closed) return;
    isStale = !!since;
    if (since) return;
    clearTimeout(again);
    since = [];
    let wait = 0;
    try {
      wait = await readAll();
    } catch {
      // A lost server wakes the list when it is back; one that did not answer in time does not.
      wait = BACK_OFF_MAX * Math.random();
    }
    if (closed) return;
    const events = since;
    since = null;
    if (!problem && !wait) {
      loaded = true;
      for (const event of events) change(event);
      changed();
      if (isStale) load();
      // After a restore that the socket does not know of yet, another read would not help.
      else if (!socket.covers(channel, readAt)) again = setTimeout(load, GATHER);
    } else {
      loaded = false;
      if (wait) again = setTimeout(load, wait);
      emit('change');
    }
  }

  /** Returns the time after which it has to be tried again, 0 if not. */
  async function readAll() {
    /** @type {typeof rows} */
    const read = new Map();
    const query = new URLSearchParams(url.searchParams);
    if (!limit) query.set('limit', String(PAGE_ROWS));
    for (let first = 0; ; ) {
      const { status, body, seq, retryAfter } = await http.send('GET', `${url.pathname}?${query}`);
      if (isTrouble(status)) return Math.max(retryAfter, BACK_OFF_MAX * Math.random());
      problem = status === 200 ? undefined : body;
      if (problem) return 0;
      first = first || seq;
      for (const row of body.data) read.set(row.id, { row, seq });
      isCut = body.next !== null;
      if (!isCut || limit) {
        rows = read;
        readAt = first;
        return 0;
      }
      query.set('after', body.next);
    }
  }

  /** @param {ShopEvent} event */
  function apply(event) {
    if (!event.event.startsWith(`${entity}:`)) return;
    if (since) since.push(event);
    else if (loaded && change(event)) changed();
  }

  /** Applies an event; returns whether a row changed. @param {ShopEvent} event */
  function change(event) {
    const { data, seq } = event;
    const later = missing.get(data.id);
    if (later) later.push(event);
    const held = rows.get(data.id);
    if (seq <= (held ? held.seq : readAt)) return false;
    if (event.event.endsWith(':deleted')) return drop(data.id);
    const { changed_fields: fields, ...known } = data;
    const row = { ...(held && held.row), ...known, ...fields, updated_at: event.timestamp };
    const isOut = isListed(row) === false;
    if (held && !isOut) rows.set(data.id, { row, seq });
    else if (held) drop(data.id);
    else if (!isOut && !later) want(data.id);
    return !!held;
  }

  /** @param {number} id */
  function drop(id) {
    const had = rows.delete(id);
    // The row behind the last one moves up.
    if (had && limit && isCut) load();
    return had;
  }

  /** Whether the list has such a row; `undefined` if the row does not tell. @param {Row} row */
  function isListed(row) {
    /** @type {boolean | undefined} */
    let listed = true;
    for (const [name, wanted] of filters) {
      const value = name === 'oversold' && row[name] ? row[name].length > 0 : row[name];
      // The server compares barcodes and addresses in its own way.
      if (value === undefined || name === 'barcode' || name === 'email') listed = undefined;
      else if (!wanted.split(',').includes(value === null ? 'none' : String(value))) return false;
    }
    return listed;
  }

  /** Reads a row that the events do not show whole, together with others. @param {number} id */
  function want(id) {
    missing.set(id, []);
    gather();
  }

  /** A new order must be on a screen within 100 ms, so the first one does not wait that long for others. */
  function gather() {
    if (closed || gathering || isReading || missing.size === 0) return;
    gathering = setTimeout(readMissing, Math.max(GATHER_FIRST, gathered + GATHER - Date.now()));
  }

  async function readMissing() {
    gathering = null;
    isReading = true;
    gathered = Date.now();
    const ids = [...missing.keys()].slice(0, IDS_MAX);
    const query = new URLSearchParams(filters);
    query.set('ids', ids.join(','));
    try {
      const { status, body, seq } = await http.send('GET', `${url.pathname}?${query}`);
      if (status !== 200) throw new Error(String(status));
      if (closed) return;
      const events = ids.flatMap((id) => missing.get(id) || []);
      for (const id of ids) missing.delete(id);
      // The whole list may have been read since.
      if (seq >= readAt) for (const row of body.data) rows.set(row.id, { row, seq });
      for (const event of events) if (event.seq > seq) change(event);
      changed();
    } catch {
      missing.clear();
      load();
    } finally {
      isReading = false;
      gather();
    }
  }
}

/** Whether a reply says that the server cannot take it now. @param {number} status */
function isTrouble(status) {
  return status === 408 || status === 429 || status >= 500;
}

/**
 * The sales that the server does not have yet, in IndexedDB. They are sent one after the other, in their order, by
 * one page at a time. The server knows each by its `client_id`, so that sending one twice sells it once.
 *
 * @param {ReturnType<typeof database>} store
 * @param {ReturnType<typeof requests>} http
 * @param {ReturnType<typeof connection>} socket
 * @param {(name: string, value?: any) => void} emit
 */
function makeOutbox(store, http, socket, emit) {
  const me = uuid();
  /** @typedef {{ promise: Promise<Entry>, resolve: (entry: Entry) => void, reject: (why: Error) => void }} End */
  /** @type {Map<string, End>} */
  const ends = new Map();
  const others = typeof BroadcastChannel === 'function' ? new BroadcastChannel('tillcast outbox') : null;
  let isDurable = !!store;
  let sending = '';
  let running = false;
  let again = false;
  let failures = 0;
  /** The time that the server has asked to wait for. */
  let notBefore = 0;
  let isShowing = false;
  let showAgain = false;
  /** @type {any} */
  let timer = null;
  let closed = false;
  if (others) {
    if ('unref' in others) /** @type {any} */ (others).unref();
    others.onmessage = () => {
      show();
      send();
    };
  }
  send();

  /** @type {Outbox} */
  const api = {
    get isDurable() {
      return isDurable;
    },
    async add(sale) {
      const at = Date.now();
      const sold_at = new Date(http.now()).toISOString();
      const id = checked(sale).client_id || uuid();
      /** @type {Entry} */
      const entry = { id, at, state: 'pending', sale: { sold_at, ...sale, client_id: id } };
      if (!store) return sellAtOnce(entry);
      let held;
      try {
        held = await store.add(entry);
        isDurable = true;
      } catch (error) {
        // The disk may be full, or the browser forbids it.
        console.error(error);
        isDurable = false;
        return sellAtOnce(entry);
      }
      if (!isSame(held.sale, entry.sale)) throw new TypeError(`another sale has the client_id ${id}`);
      const done = end(held);
      tell();
      send();
      return { ...held, done };
    },
    list,
    async retry(id, sale) {
      if (!store) return;
      if (sale) checked(sale);
      await store.update(id, (entry) => {
        if (entry.state !== 'refused' && entry.state !== 'blocked') return entry;
        return { ...entry, sale: { ...(sale || entry.sale), client_id: id }, state: 'pending', problem: undefined };
      });
      tell();
      send();
    },
    async remove(id) {
      if (store) await store.remove(id);
      tell();
    },
  };
  return {
    api,
    send,
    show,
    async unblock() {
      if (store) await store.unblock().catch(console.error);
      send();
    },
    close() {
      closed = true;
      clearTimeout(timer);
      if (others) others.close();
      if (store && !running) store.close(me);
    },
  };

  /** Resolves once the server has decided. @param {Entry} entry @returns {Promise<Entry>} */
  function end(entry) {
    if (isOver(entry)) return Promise.resolve(entry);
    const known = ends.get(entry.id);
    if (known) return known.promise;
    /** @type {any} */
    const own = {};
    own.promise = new Promise((resolve, reject) => Object.assign(own, { resolve, reject }));
    // A page need not wait for it.
    own.promise.catch(() => {});
    ends.set(entry.id, own);
    return own.promise;
  }

  /** @returns {Promise<Entry[]>} */
  async function list() {
    const entries = store ? await store.all() : [];
    return entries.map((entry) => (entry.id === sending ? { ...entry, state: 'sending' } : entry));
  }

  /** Shows the entries to the page. While it does, further calls become one. */
  async function show() {
    showAgain = true;
    if (isShowing) return;
    isShowing = true;
    try {
      while (showAgain && !closed) {
        showAgain = false;
        const awaited = [...ends];
        const entries = await list();
        if (closed) return;
        const known = new Map(entries.map((entry) => [entry.id, entry]));
        for (const [id, { resolve, reject }] of awaited) {
          const entry = known.get(id);
          if (entry && !isOver(entry)) continue;
          if (entry) resolve(entry);
          else reject(new Error(`the sale ${id} was removed`));
          ends.delete(id);
        }
        emit('outbox', entries);
      }
    } catch (error) {
      console.error(error);
    } finally {
      isShowing = false;
    }
  }

  /** Shows the entries here and in the other pages. */
  function tell() {
    show();
    if (others && !closed) others.postMessage(null);
  }

  /** @param {Entry} entry @returns {Promise<Entry & { done: Promise<Entry> }>} */
  async function sellAtOnce(entry) {
    const { ended } = await sendOne(entry);
    if (!ended) throw new Error('the server does not answer, and this browser keeps no sales');
    return { ...ended, done: Promise.resolve(ended) };
  }

  /** Sends what is pending. */
  async function send() {
    again = true;
    if (running || !store || closed) return;
    clearTimeout(timer);
    let wait = notBefore - Date.now();
    if (wait > 0) {
      timer = setTimeout(send, wait);
      return;
    }
    running = true;
    wait = 0;
    try {
      while (again && !wait) {
        again = false;
        wait = await round();
      }
    } catch (error) {
      console.error(error);
      isDurable = false;
      wait = BACK_OFF_MAX;
    }
    running = false;
    sending = '';
    if (closed) return store.close(me);
    show();
    if (wait) timer = setTimeout(send, wait);
  }

  /** Sends each pending entry once. Returns the time until the next round, 0 if there is nothing left. */
  async function round() {
    if (!store) return 0;
    const renewing = setInterval(() => running && store.lease(me).catch(console.error), LEASE / 3);
    const wait = await sendEach(store).finally(() => clearInterval(renewing));
    if (!wait) failures = 0;
    await store.prune();
    await store.release(me);
    return wait;
  }

  /** @param {NonNullable<typeof store>} store @returns {Promise<number>} */
  async function sendEach(store) {
    let wait = 0;
    for (let after = 0; !closed; ) {
      const taken = await store.lease(me);
      isDurable = true;
      // Another page sends.
      if (taken) return taken;
      const next = await store.next(after);
      if (!next) break;
      after = next.key;
      const { ended, retryAfter, status } = await attempt(next.entry);
      if (ended) await store.update(next.entry.id, (now) => (now.state === next.entry.state ? ended : now));
      else wait = Math.max(wait, backOff());
      notBefore = Date.now() + retryAfter;
      sending = '';
      tell();
      // A server that fails at this one entry takes the next; one that is away, busy, or wants a login does not.
      if (status === 401 || (!ended && status !== 500)) break;
    }
    return wait;
  }

  /** @param {Entry} entry */
  async function attempt(entry) {
    sending = entry.id;
    show();
    return sendOne(entry);
  }

  function backOff() {
    failures += 1;
    const most = Math.min(BACK_OFF_MIN * 2 ** failures, BACK_OFF_MAX);
    return BACK_OFF_MIN + Math.random() * (most - BACK_OFF_MIN);
  }

  /**
   * Sends an entry. `ended` is the entry as it is then; without it the server has to be asked again.
   *
   * @param {Entry} entry
   * @returns {Promise<{ ended?: Entry, retryAfter: number, status: number }>}
   */
  async function sendOne(entry) {
    /** @type {Reply} */
    let reply;
    try {
      reply = await http.send('POST', '/api/sales', entry.sale);
    } catch {
      return { retryAfter: 0, status: 0 };
    }
    const { status, body, retryAfter } = reply;
    if (isTrouble(status)) return { retryAfter, status };
    /** @type {Entry} */
    const ended =
      status === 200 || status === 201
        ? { ...entry, state: 'sent', reply: body }
        : { ...entry, state: status === 401 || status === 403 ? 'blocked' : 'refused', problem: { status, ...body } };
    return { ended, retryAfter, status };
  }

  /** Whether the server has decided about it. @param {Entry} entry */
  function isOver({ state }) {
    return state === 'sent' || state === 'refused';
  }

  /** @param {Sale} sale */
  function checked(sale) {
    const { items, client_id: id } = sale || {};
    if (!Array.isArray(items) || items.length === 0) throw new TypeError('a sale has items');
    if (id !== undefined && (typeof id !== 'string' || !/^.{1,64}$/.test(id))) {
      throw new TypeError('a client_id is a text of 1 to 64 characters');
    }
    return sale;
  }

  /** Whether two sales are one, whenever each was sold. @param {Sale} one @param {Sale} other */
  function isSame(one, other) {
    const [a, b] = [one, other].map((sale) => JSON.stringify({ ...sale, sold_at: 0 }));
    return a === b;
  }
}

/**
 * The outbox and the kept lists in IndexedDB; `null` where there is none.
 *
 * @param {string} name
 */
function database(name) {
  try {
    if (typeof indexedDB !== 'object' || !indexedDB) return null;
  } catch {
    // A sandboxed page may not even look.
    return null;
  }
  /** @type {Promise<IDBDatabase> | null} */
  let opened = null;
  let ended = false;

  /** @returns {Promise<IDBDatabase>} */
  function open() {
    opened =
      opened ||
      new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 1);
        let isLate = false;
        // A browser may leave it without an answer, for example while another page keeps an older database.
        const timer = setTimeout(() => {
          isLate = true;
          opened = null;
          reject(new Error('the database does not open'));
        }, REPLY_WAIT);
        request.onupgradeneeded = () => {
          const entries = request.result.createObjectStore('outbox', { autoIncrement: true });
          entries.createIndex('id', 'id', { unique: true });
          request.result.createObjectStore('lease');
          request.result.createObjectStore('lists');
        };
        request.onsuccess = () => {
          const base = request.result;
          clearTimeout(timer);
          if (isLate) return base.close();
          base.onversionchange = forget;
          base.onclose = () => void (opened = null);
          resolve(base);
        };
        request.onerror = () => {
          clearTimeout(timer);
          opened = null;
          reject(request.error);
        };
      });
    return opened;
  }

  function forget() {
    if (opened) opened.then((base) => base.close(), () => {});
    opened = null;
  }

  /**
   * Runs `work` in a transaction, and resolves once that is complete, and on the disk if it is `strict`. A browser
   * closes the database of a page in the background now and then, so it is tried a second time.
   *
   * @template T
   * @param {'outbox' | 'lease' | 'lists'} store
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore, give: (value: T) => void) => void} work
   * @param {'strict' | 'default'} [durability]
   * @returns {Promise<T>}
   */
  async function run(store, mode, work, durability = 'default') {
    for (let tries = 1; ; tries += 1) {
      if (ended) throw new Error('the client is closed');
      try {
        const base = await open();
        return await new Promise((resolve, reject) => {
          /** @type {any} */
          let value;
          const transaction = base.transaction(store, mode, { durability });
          transaction.oncomplete = () => resolve(value);
          transaction.onabort = () => reject(transaction.error || { name: 'AbortError' });
          work(transaction.objectStore(store), (given) => void (value = given));
        });
      } catch (error) {
        const { name: kind } = /** @type {DOMException} */ (error);
        if (tries > 1 || !['InvalidStateError', 'UnknownError', 'AbortError'].includes(kind)) throw error;
        forget();
      }
    }
  }

  /** Gives what a request results in. @param {IDBRequest} request @param {(value: any) => void} give */
  function result(request, give) {
    request.onsuccess = () => give(request.result);
  }

  /**
   * @param {IDBObjectStore} store
   * @param {IDBCursorDirection} direction
   * @param {(cursor: IDBCursorWithValue) => void} visit
   */
  function each(store, direction, visit) {
    result(store.openCursor(null, direction), (cursor) => {
      if (!cursor) return;
      visit(cursor);
      cursor.continue();
    });
  }

  /** @param {IDBObjectStore} outbox @param {string} id @param {(cursor: IDBCursorWithValue | null) => void} found */
  function find(outbox, id, found) {
    result(outbox.index('id').openCursor(id), found);
  }

  return {
    /** Adds an entry, or returns that which has its id. @param {Entry} entry @returns {Promise<Entry>} */
    add: (entry) =>
      run(
        'outbox',
        'readwrite',
        (outbox, give) =>
          find(outbox, entry.id, (cursor) => {
            if (!cursor) outbox.add(entry);
            give(cursor ? cursor.value : entry);
          }),
        'strict',
      ),
    /** @returns {Promise<Entry[]>} */
    all: () => run('outbox', 'readonly', (outbox, give) => result(outbox.getAll(), give)),
    /**
     * The first entry behind this key that waits for nobody but the server, or for a login: those keep their order.
     *
     * @param {number} after
     * @returns {Promise<{ key: number, entry: Entry } | undefined>}
     */
    next: (after) =>
      run('outbox', 'readonly', (outbox, give) => {
        result(outbox.openCursor(IDBKeyRange.lowerBound(after, true)), (cursor) => {
          if (!cursor) return;
          const { state, problem } = cursor.value;
          const isNext = state === 'pending' || (state === 'blocked' && problem.status === 401);
          if (isNext) give({ key: cursor.key, entry: cursor.value });
          else cursor.continue();
        });
      }),
    /** @param {string} id @param {(entry: Entry) => Entry} change @returns {Promise<void>} */
    update: (id, change) =>
      run('outbox', 'readwrite', (outbox) =>
        find(outbox, id, (cursor) => cursor && cursor.update(change(cursor.value))),
      ),
    /** @param {string} id @returns {Promise<void>} */
    remove: (id) => run('outbox', 'readwrite', (outbox) => find(outbox, id, (cursor) => cursor && cursor.delete())),
    /** Makes blocked entries pending. @returns {Promise<void>} */
    unblock: () =>
      run('outbox', 'readwrite', (outbox) =>
        each(outbox, 'next', (cursor) => {
          if (cursor.value.state === 'blocked') cursor.update({ ...cursor.value, state: 'pending' });
        }),
      ),
    /** Forgets the oldest of the sent entries. @returns {Promise<void>} */
    prune: () =>
      run('outbox', 'readwrite', (outbox) => {
        let sent = 0;
        each(outbox, 'prev', (cursor) => {
          sent += Number(cursor.value.state === 'sent');
          if (cursor.value.state === 'sent' && sent > SENT_KEPT) cursor.delete();
        });
      }),
    /**
     * Takes the right to send. Gives the time for which another page has it.
     *
     * @param {string} page
     * @returns {Promise<number>}
     */
    lease: (page) =>
      run('lease', 'readwrite', (lease, give) =>
        result(lease.get(0), (held) => {
          const now = Date.now();
          const { owner, until } = held || { owner: page, until: 0 };
          // A clock that was set back must not keep the lease for ever.
          const isFree = owner === page || until <= now || until > now + LEASE;
          give(isFree ? 0 : until - now);
          if (isFree) lease.put({ owner: page, until: now + LEASE }, 0);
        }),
      ),
    release,
    /** Keeps a list. @param {string} path @param {readonly Row[]} rows @returns {Promise<void>} */
    keep: (path, rows) => run('lists', 'readwrite', (lists) => void lists.put(rows, path)),
    /** The kept list of a path. @param {string} path @returns {Promise<Row[] | undefined>} */
    kept: (path) => run('lists', 'readonly', (lists, give) => result(lists.get(path), give)),
    /** Lets go of the lease and of the database. @param {string} page */
    close(page) {
      release(page).catch(() => {}).then(forget);
      ended = true;
    },
  };

  /** @param {string} page @returns {Promise<void>} */
  function release(page) {
    return run('lease', 'readwrite', (lease) =>
      result(lease.get(0), (held) => held && held.owner === page && lease.delete(0)),
    );
  }
}

/**
 * The amounts of an order, in minor units of its currency, exactly as the server works them out: see "Amounts" in
 * docs/protocol.md. Quantities and tax rates are in thousandths.
 *
 * @param {{quantity: number, unit_price: number, discount?: number, tax_rate?: number | null}[]} lines
 * @param {{discount?: number, rounding?: number, added?: boolean}} [terms] `added`: the prices are without the tax
 */
export function amounts(lines, { discount = 0, rounding = 0, added = false } = {}) {
  const totals = lines.map(
    (line) => halfUp(BigInt(line.quantity) * BigInt(line.unit_price), 1000n) - BigInt(line.discount || 0),
  );
  const shares = spread(BigInt(discount), totals);
  /** @type {Map<number, bigint>} */
  const bases = new Map();
  lines.forEach(({ tax_rate: rate }, at) => {
    if (rate === undefined || rate === null) return;
    bases.set(rate, (bases.get(rate) || 0n) + totals[at] - shares[at]);
  });
  const taxes = [...bases].sort(([a], [b]) => a - b);
  const rows = taxes.map(([rate, amount]) => {
    const tax = halfUp(amount * BigInt(rate), 100000n + (added ? 0n : BigInt(rate)));
    return { rate, net: Number(added ? amount : amount - tax), tax: Number(tax) };
  });
  const tax_total = rows.reduce((sum, { tax }) => sum + tax, 0);
  const goods = Number(totals.reduce((sum, total) => sum + total, 0n));
  return {
    line_totals: totals.map(Number),
    taxes: rows,
    tax_total,
    total: goods - discount + rounding + (added ? tax_total : 0),
  };
}

/** The quotient, half away from zero; neither is negative. @param {bigint} number @param {bigint} by */
function halfUp(number, by) {
  return (2n * number + by) / (2n * by);
}

/** The part of a discount that each line bears. @param {bigint} discount @param {bigint[]} totals */
function spread(discount, totals) {
  const whole = totals.reduce((sum, total) => sum + total, 0n);
  if (whole === 0n) return totals.map(() => 0n);
  const shares = totals.map((total) => (discount * total) / whole);
  const left = Number(shares.reduce((rest, share) => rest - share, discount));
  const remainder = (/** @type {number} */ at) => (discount * totals[at]) % whole;
  const order = totals.map((_, at) => at);
  order.sort((a, b) => (remainder(a) === remainder(b) ? a - b : remainder(a) > remainder(b) ? -1 : 1));
  for (const at of order.slice(0, left)) shares[at] += 1n;
  return shares;
}
