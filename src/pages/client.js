// @ts-check
/**
 * The client of a Tillcast server: one WebSocket that comes back by itself, lists that stay as they are on the
 * server, and an outbox whose sales survive a crash and a server that is away.
 *
 * It is one ES module without dependencies, for browsers of 2020 and later, Node.js and Deno.
 *
 * @module
 */

/** @typedef {'connecting' | 'catching_up' | 'live' | 'offline' | 'signed_out'} State */
/** @typedef {'pending' | 'sending' | 'sent' | 'refused' | 'blocked'} OutboxState */
/** @typedef {{ [field: string]: any, id: number }} Row */
/** @typedef {{ code: string, detail: string, status: number, errors?: { field: string, message: string }[] }} Problem */
/**
 * @typedef {object} Options
 * @property {string} [url] The server's address, such as `http://192.168.1.10:3000`; else that of the page.
 * @property {string} [token] A device's token; else the page's cookie.
 * @property {any} [WebSocket] The class of the sockets; else the global one.
 * @property {typeof fetch} [fetch] Else the global one.
 * @property {Pick<Storage, 'getItem' | 'setItem'>} [storage] Keeps the position; else `localStorage`.
 */
/**
 * @typedef {object} Reply
 * @property {number} status
 * @property {any} body The JSON, or null.
 * @property {number} seq The position in the event log of what was read.
 */
/**
 * @typedef {object} Entry An entry of the outbox.
 * @property {string} id The sale's `client_id`.
 * @property {number} at The time at which it was added; milliseconds since 1970.
 * @property {{ [field: string]: any }} sale
 * @property {OutboxState} state
 * @property {any} [reply] What the server said to a sale that it has.
 * @property {Problem} [problem] The reason of a refusal.
 */

/** The entities, and the channel of each. */
const CHANNELS = /** @type {{ [plural: string]: string }} */ ({
  orders: 'order_changes',
  products: 'product_changes',
  customers: 'customer_changes',
  shipments: 'shipment_changes',
  transactions: 'transaction_changes',
});
/** Waits in milliseconds. */
const BACK_OFF_MIN = 500;
const BACK_OFF_MAX = 20_000;
const REPLY_WAIT = 10_000;
const PONG_WAIT = 3_000;
const SILENCE_MAX = 25_000;
const WATCH_EVERY = 5_000;
const GATHER = 100;
const KEEP_AFTER = 2_000;
const LEASE = 20_000;
/** Rows of one GET. */
const PAGE_ROWS = 200;
const IDS_MAX = 100;
/** Sent sales that the outbox still lists. */
const SENT_KEPT = 100;

/** The events of a page that can mean that the network or the page is back. */
const WAKING = ['online', 'pageshow', 'focus', 'visibilitychange'];
/** The parameters of a list that are no filters. */
const NO_FILTERS = ['limit', 'after', 'order', 'updated_since', 'ids'];

/** A random UUID; `crypto.randomUUID` is missing on a page over plain HTTP. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Listeners by name. */
function emitter() {
  /** @type {Map<string, Set<(value: any) => void>>} */
  const listeners = new Map();
  return {
    /** @param {string} name @param {(value: any) => void} listener */
    on(name, listener) {
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
    /** @param {string} name */
    has: (name) => (listeners.get(name) || { size: 0 }).size > 0,
  };
}

/**
 * A client of the server. It connects when it is first asked for events.
 *
 * @param {Options} [options]
 */
export function connect(options = {}) {
  const page = typeof location === 'object' ? location.href : 'http://localhost:3000';
  const base = new URL(options.url || '/', page);
  const { on, emit, has } = emitter();
  const memory = keep(options, base);
  const http = requests(options, base, memory, emit);
  const socket = connection(options, base, memory, http, emit);
  const store = database(`tillcast ${base.origin}`);
  const lists = liveLists(socket, http, store);
  const outbox = makeOutbox(store, http, socket, emit);
  http.onSignedOut = () => socket.signedOut();
  socket.onEvent = (event) => {
    lists.apply(event);
    emit(event.event, event);
    emit(event.event.split(':')[0], event);
  };
  socket.onReset = (channel) => {
    lists.reload(channel);
    emit('reset', { channel });
  };
  socket.onState = (state, before) => {
    lists.stateChanged(state);
    if (state === 'live' || state === 'catching_up') outbox.send();
    emit('state', { state, before });
  };

  return {
    /** @type {State} */
    get state() {
      return socket.state;
    },
    /**
     * Calls `listener` for each event of that name, such as `order:created`, or of `order`; for `state` (of the connection) with
     * `{state, before}`; for `outbox` with its entries; for `version` with the server's, first and when it changes; for `reset`
     * when events were lost. Events that came while the page was away follow first.
     *
     * @param {string} name
     * @param {(value: any) => void} listener
     * @returns {() => void} ends it
     */
    on(name, listener) {
      const off = on(name, listener);
      const [entity] = name.split(':');
      const channel = CHANNELS[`${entity}s`];
      const leave = channel && socket.join(channel, true);
      return () => {
        off();
        if (leave) leave();
      };
    },
    /**
     * A list that stays as it is on the server, such as `/api/orders?status=pending`. With `keep`, a page that opens
     * without the server shows it as it was.
     *
     * @param {string} path
     * @param {{ keep?: boolean }} [options]
     */
    live: (path, { keep: isKept = false } = {}) => lists.live(path, isKept),
    outbox: outbox.api,
    /** Asks the server. Rejects only where it could not be reached. @type {(method: string, path: string, body?: any, headers?: any) => Promise<Reply>} */
    request: (method, path, body, headers) => http.send(method, path, body, headers),
    /** The server's time; milliseconds since 1970. */
    now: () => Date.now() + http.offset(),
    /** Tries at once, for example after a login. */
    retry() {
      socket.wake(0);
      outbox.unblock();
    },
    /** Ends the connection, and all lists. */
    close() {
      lists.close();
      outbox.close();
      socket.close();
    },
    /** Whether anything listens to that name. */
    listens: has,
  };
}

/**
 * The small things that survive a reload.
 *
 * @param {Options} options
 * @param {URL} base
 */
function keep(options, base) {
  const name = `tillcast ${base.origin}`;
  let storage = options.storage;
  /** @type {{ [key: string]: any }} */
  let values = {};
  try {
    storage = storage || (typeof localStorage === 'object' ? localStorage : undefined);
    values = JSON.parse((storage && storage.getItem(name)) || '{}');
  } catch {
    // A browser may forbid its storage, and an entry may be of somebody else.
  }
  return {
    /** @param {string} key */
    get: (key) => values[key],
    /** @param {string} key @param {any} value */
    set(key, value) {
      values[key] = value;
      try {
        if (storage) storage.setItem(name, JSON.stringify(values));
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
 * @param {ReturnType<typeof keep>} memory
 * @param {(name: string, value?: any) => void} emit
 */
function requests(options, base, memory, emit) {
  const ask = options.fetch || fetch.bind(globalThis);
  let version = '';
  const here = {
    onSignedOut() {},
    offset: () => memory.get('offset') || 0,
    /**
     * @param {string} method
     * @param {string} path
     * @param {any} [body]
     * @param {any} [headers]
     * @returns {Promise<Reply>}
     */
    async send(method, path, body, headers = {}) {
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
        look(reply, begun);
        if (reply.status === 401 && !path.startsWith('/api/auth/')) here.onSignedOut();
        return {
          status: reply.status,
          body: text ? JSON.parse(text) : null,
          seq: Number(reply.headers.get('Tillcast-Seq')) || 0,
        };
      } finally {
        clearTimeout(timer);
      }
    },
  };

  /** @param {Response} reply @param {number} begun */
  function look(reply, begun) {
    const date = Date.parse(reply.headers.get('Date') || '');
    const ended = Date.now();
    if (date && ended - begun < 1000) {
      // The header is cut to seconds.
      const offset = date + 500 - (begun + ended) / 2;
      if (Math.abs(offset - here.offset()) > 1000) memory.set('offset', Math.round(offset));
    }
    const told = reply.headers.get('Tillcast-Version') || version;
    if (told === version) return;
    version = told;
    emit('version', told);
  }
  return here;
}

/**
 * The WebSocket. It comes back for ever, and continues after the last event that it saw.
 *
 * @param {Options} options
 * @param {URL} base
 * @param {ReturnType<typeof keep>} memory
 * @param {ReturnType<typeof requests>} http
 * @param {(name: string, value?: any) => void} emit
 */
function connection(options, base, memory, http, emit) {
  const url = new URL('/ws', base);
  url.protocol = url.protocol.replace('http', 'ws');
  /** @type {Map<string, number>} listeners of each channel */
  const wanted = new Map();
  /** @type {Set<string>} channels whose position survives a reload */
  const kept = new Set();
  /** @type {Map<string, number>} the last event of each channel that was seen */
  const positions = new Map();
  /** @type {Set<string>} channels that were not acknowledged yet */
  const waiting = new Set();
  let log = memory.get('log');
  /** @type {any} */
  let socket = null;
  let open = false;
  let ended = false;
  let heard = 0;
  let ticked = Date.now();
  let window = BACK_OFF_MIN;
  /** @type {any} */
  let timer = null;
  /** @type {any} */
  let deadline = null;
  /** Events since the last ping, by which the end of the backlog is seen. */
  let fresh = 0;
  /** @type {any} */
  let saving = null;
  const watch = setInterval(tick, WATCH_EVERY);
  if (typeof watch === 'object') watch.unref();

  const here = {
    /** @type {State} */
    state: 'connecting',
    /** @type {(event: any) => void} */
    onEvent() {},
    /** @type {(channel: string) => void} */
    onReset() {},
    /** @type {(state: State, before: State) => void} */
    onState() {},
    join,
    wake,
    close,
    /** The session has ended: a person has to log in. */
    signedOut() {
      if (here.state !== 'signed_out') drop('signed_out');
    },
    /** The position from which a channel's events come. @param {string} channel */
    position: (channel) => positions.get(channel),
  };
  const target = typeof addEventListener === 'function' ? globalThis : null;
  const awake = () => {
    if (typeof document !== 'object' || document.visibilityState !== 'hidden') wake(BACK_OFF_MIN);
  };
  if (target) for (const name of WAKING) target.addEventListener(name, awake);
  if (typeof document === 'object') document.addEventListener('visibilitychange', awake);
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
      const position = (memory.get('positions') || {})[channel];
      if (listeners === 0 && position !== undefined) positions.set(channel, position);
    }
    if (listeners === 0 && open) subscribe(channel);
    if (!socket && !timer) dial();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const rest = (wanted.get(channel) || 1) - 1;
      wanted.set(channel, rest);
      if (rest > 0) return;
      wanted.delete(channel);
      positions.delete(channel);
      if (open) say({ type: 'unsubscribe', channel });
    };
  }

  /** @param {string} channel */
  function subscribe(channel) {
    waiting.add(channel);
    const since = positions.get(channel);
    say({ type: 'subscribe', channel, ...(since === undefined ? {} : { since, log }) });
  }

  /** @param {any} message */
  function say(message) {
    if (socket && socket.readyState === 1) socket.send(JSON.stringify(message));
  }

  function dial() {
    timer = null;
    if (ended) return;
    const Socket = options.WebSocket || globalThis.WebSocket;
    const own = options.token
      ? new Socket(url.href, ['tillcast.v1', `bearer.${options.token}`])
      : new Socket(url.href);
    socket = own;
    own.onmessage = (/** @type {any} */ message) => own === socket && receive(JSON.parse(message.data));
    own.onclose = (/** @type {any} */ close) => own === socket && lost(close.code);
    own.onerror = () => {};
    deadline = setTimeout(() => own === socket && lost(0), REPLY_WAIT);
  }

  /** @param {number} code */
  function lost(code) {
    const wasLive = open;
    drop(code === 1008 ? 'signed_out' : 'offline');
    // All clients lose a server that stops in the same moment, so they come back over the whole window.
    window = wasLive ? BACK_OFF_MAX : Math.min(2 * window, BACK_OFF_MAX);
    wait(BACK_OFF_MIN + Math.random() * (window - BACK_OFF_MIN));
  }

  /** @param {State} state */
  function drop(state) {
    const own = socket;
    socket = null;
    open = false;
    waiting.clear();
    clearTimeout(deadline);
    if (own) own.close();
    if (!timer && state === 'signed_out') wait(BACK_OFF_MAX);
    set(state);
  }

  /** @param {number} time */
  function wait(time) {
    clearTimeout(timer);
    timer = ended ? null : setTimeout(dial, time);
  }

  /** @param {any} message */
  function receive(message) {
    heard = Date.now();
    if (message.event) return take(message);
    const { type, channel } = message;
    if (type === 'connected') {
      open = true;
      window = BACK_OFF_MIN;
      clearTimeout(deadline);
      set('catching_up');
      for (const each of wanted.keys()) subscribe(each);
      probe();
    } else if (type === 'subscribed' || type === 'reset') {
      waiting.delete(channel);
      if (message.log !== log) memory.set('log', (log = message.log));
      positions.set(channel, message.seq);
      save();
      if (type === 'reset') here.onReset(channel);
      probe();
    } else if (type === 'pong') {
      clearTimeout(deadline);
      if (here.state === 'catching_up' && waiting.size === 0) {
        if (fresh === 0) set('live');
        else probe();
      }
    } else if (type === 'error') {
      for (const each of [...waiting]) if (message.message.includes(each)) waiting.delete(each);
      emit('error', message);
      probe();
    }
  }

  /** @param {any} event */
  function take(event) {
    const entity = event.event.split(':')[0];
    const channel = CHANNELS[`${entity}s`];
    if (!wanted.has(channel) || event.seq <= (positions.get(channel) || 0)) return;
    fresh += 1;
    positions.set(channel, event.seq);
    save();
    here.onEvent(event);
  }

  function save() {
    if (saving) return;
    saving = setTimeout(() => {
      saving = null;
      const of = Object.fromEntries([...positions].filter(([channel]) => kept.has(channel)));
      memory.set('positions', { ...memory.get('positions'), ...of });
    }, GATHER);
  }

  /** Asks for a pong; a socket that does not answer is replaced. */
  function probe() {
    if (!open || waiting.size > 0) return;
    fresh = 0;
    say({ type: 'ping' });
    const asked = Date.now();
    clearTimeout(deadline);
    deadline = setTimeout(() => {
      if (heard >= asked) return;
      drop('offline');
      wait(Math.random() * BACK_OFF_MIN);
    }, PONG_WAIT);
  }

  /** The network or the page may be back. @param {number} spread */
  function wake(spread) {
    if (ended) return;
    if (open) probe();
    else if (timer) wait(Math.random() * spread);
  }

  function tick() {
    const now = Date.now();
    const slept = now - ticked > 3 * WATCH_EVERY;
    ticked = now;
    if (slept) wake(BACK_OFF_MIN);
    else if (open && now - heard > SILENCE_MAX) probe();
  }

  function close() {
    ended = true;
    clearInterval(watch);
    clearTimeout(timer);
    if (target) for (const name of WAKING) target.removeEventListener(name, awake);
    if (typeof document === 'object') document.removeEventListener('visibilitychange', awake);
    drop('offline');
  }
}

/**
 * Lists that follow the event log.
 *
 * @param {ReturnType<typeof connection>} socket
 * @param {ReturnType<typeof requests>} http
 * @param {ReturnType<typeof database>} store
 */
function liveLists(socket, http, store) {
  /** @type {Set<ReturnType<typeof makeList>>} */
  const lists = new Set();
  return {
    /** @param {string} path @param {boolean} isKept */
    live(path, isKept) {
      const list = makeList(path, socket, http, isKept ? store : null, () => lists.delete(list));
      lists.add(list);
      return list.api;
    },
    /** @param {any} event */
    apply(event) {
      for (const list of lists) list.apply(event);
    },
    /** @param {string} channel */
    reload(channel) {
      for (const list of lists) if (list.channel === channel) list.reload();
    },
    /** @param {State} state */
    stateChanged(state) {
      for (const list of lists) list.stateChanged(state);
    },
    close() {
      for (const list of [...lists]) list.api.close();
    },
  };
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
  const plural = url.pathname.split('/')[2];
  const channel = CHANNELS[plural];
  if (!channel) throw new TypeError(`${path} is no list that changes`);
  const entity = plural.slice(0, -1);
  const limit = Number(url.searchParams.get('limit')) || 0;
  const ascends = url.searchParams.get('order') === 'asc';
  const filters = [...url.searchParams].filter(([name]) => !NO_FILTERS.includes(name));
  /** @type {Map<number, {row: Row, seq: number}>} */
  let rows = new Map();
  /** @type {readonly Row[]} */
  let items = [];
  /** @type {Set<() => void>} */
  const listeners = new Set();
  /** @type {any[] | null} events since a read of the list began */
  let since = null;
  /** @type {Map<number, any[]>} rows that are to be read, with their events since */
  const missing = new Map();
  let loaded = false;
  let closed = false;
  let isCut = false;
  /** @type {any} */
  let gathering = null;
  /** @type {any} */
  let again = null;
  /** @type {any} */
  let keeping = null;
  /** @type {Problem | undefined} */
  let problem;
  const leave = socket.join(channel, false);

  const api = {
    /** The rows, newest first unless `order=asc`. A new array after each change. */
    get items() {
      return items;
    },
    /** `connecting` until the rows are there, then the state of the connection; `refused` with `problem`. */
    get state() {
      if (problem) return 'refused';
      return loaded || socket.state !== 'live' ? socket.state : 'connecting';
    },
    get problem() {
      return problem;
    },
    /** Calls `listener` after each change. @param {() => void} listener @returns {() => void} ends it */
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** The rows; the same array until they change. */
    getSnapshot: () => items,
    /** Ends the list. */
    close() {
      closed = true;
      clearTimeout(gathering);
      clearTimeout(again);
      clearTimeout(keeping);
      leave();
      onClose();
    },
  };
  load();
  if (store) {
    store.kept(path).then((kept) => {
      if (loaded || closed || !kept) return;
      items = kept;
      notify();
    });
  }
  return { api, channel, apply, reload: load, stateChanged };

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
        store.keep(path, items).catch(() => {});
      }, KEEP_AFTER);
    }
    notify();
  }

  function notify() {
    for (const listener of [...listeners]) listener();
  }

  /** @param {State} state */
  function stateChanged(state) {
    if (!loaded && !since && (state === 'catching_up' || state === 'live')) load();
    notify();
  }

  /** Reads the whole list. Events that come meanwhile are applied where they are newer than the row. */
  async function load() {
    if (since || closed) return;
    clearTimeout(again);
    since = [];
    try {
      const read = await readAll();
      if (closed) return;
      rows = read;
      loaded = !problem;
      const events = since;
      since = null;
      for (const event of events) change(event);
      changed();
    } catch {
      since = null;
      // A lost server wakes the list when it is back; one that did not answer in time does not.
      again = setTimeout(load, BACK_OFF_MAX * Math.random());
      notify();
    }
  }

  async function readAll() {
    /** @type {typeof rows} */
    const read = new Map();
    const query = new URLSearchParams(url.searchParams);
    if (!limit) query.set('limit', String(PAGE_ROWS));
    for (;;) {
      const { status, body, seq } = await http.send('GET', `${url.pathname}?${query}`);
      problem = status === 200 ? undefined : body;
      if (status >= 500 || status === 429) throw new Error(String(status));
      if (problem) return read;
      for (const row of body.data) read.set(row.id, { row, seq });
      isCut = body.next !== null;
      if (!isCut || limit) return read;
      query.set('after', body.next);
    }
  }

  /** @param {any} event */
  function apply(event) {
    if (!event.event.startsWith(`${entity}:`)) return;
    if (since) since.push(event);
    else if (change(event)) changed();
  }

  /** Applies an event; returns whether a row changed. @param {any} event */
  function change({ event, data, seq, timestamp }) {
    const { changed_fields: fields, ...known } = data;
    const later = missing.get(data.id);
    if (later) later.push({ event, data, seq, timestamp });
    const held = rows.get(data.id);
    if (held && held.seq >= seq) return false;
    if (event.endsWith(':deleted')) return drop(data.id);
    const row = { ...(held && held.row), ...known, ...fields, updated_at: timestamp };
    const passes = isListed(row);
    if (held && passes !== false) {
      rows.set(data.id, { row, seq });
      return true;
    }
    if (held) return drop(data.id);
    if (passes !== false && !later) want(data.id);
    return false;
  }

  /** @param {number} id */
  function drop(id) {
    const had = rows.delete(id);
    if (had && limit && isCut) load(); // the row behind the last one moves up
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
    gathering = gathering || setTimeout(readMissing, GATHER);
  }

  async function readMissing() {
    gathering = null;
    const ids = [...missing.keys()].slice(0, IDS_MAX);
    const query = new URLSearchParams(filters);
    query.set('ids', ids.join(','));
    try {
      const { status, body, seq } = await http.send('GET', `${url.pathname}?${query}`);
      if (status !== 200) throw new Error(String(status));
      if (closed) return;
      for (const row of body.data) rows.set(row.id, { row, seq });
      const events = ids.flatMap((id) => missing.get(id) || []);
      for (const id of ids) missing.delete(id);
      for (const event of events) if (event.seq > seq) change(event);
      changed();
      if (missing.size > 0) gathering = gathering || setTimeout(readMissing, 0);
    } catch {
      missing.clear();
      loaded = false;
      load();
    }
  }
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
  /** @type {Map<string, (entry: Entry) => void>} */
  const done = new Map();
  const others = typeof BroadcastChannel === 'function' ? new BroadcastChannel('tillcast outbox') : null;
  let sending = '';
  let running = false;
  let again = false;
  let failures = 0;
  /** @type {any} */
  let timer = null;
  let closed = false;
  if (others) {
    if ('unref' in others) /** @type {any} */ (others).unref();
    others.onmessage = () => show(false);
  }
  if (store) send();

  const api = {
    /** Whether sales survive a reload. Without that, `add` sells only while the server is there. */
    isDurable: !!store,
    /**
     * Takes a sale, as `POST /api/sales` has it. Without a `client_id` it gets one; without `sold_at` it is sold
     * now (`sold_at: null` asks the server first, as a kiosk must). It resolves once the sale is on the disk;
     * `done` resolves once the server has it or has refused it.
     *
     * @param {{ [field: string]: any }} sale
     * @returns {Promise<Entry & { done: Promise<Entry> }>}
     */
    async add(sale) {
      const at = Date.now();
      const id = sale.client_id || uuid();
      const sold_at = new Date(at + http.offset()).toISOString();
      /** @type {Entry} */
      const entry = { id, at, state: 'pending', sale: { sold_at, ...sale, client_id: id } };
      if (!store) return sellAtOnce(entry);
      /** @type {Promise<Entry>} */
      const end = new Promise((resolve) => done.set(id, resolve));
      await store.add(entry);
      await show(true);
      send();
      return { ...entry, done: end };
    },
    /** The entries, in their order: all that the server does not have, and the last that it has. */
    list,
    /** Sends a refused entry again, perhaps changed by a person. @param {string} id @param {any} [sale] */
    async retry(id, sale) {
      await update(id, (entry) => ({ ...entry, sale: sale || entry.sale, state: 'pending', problem: undefined }));
      send();
    },
    /** Forgets an entry; only a person may ask for it. @param {string} id */
    async remove(id) {
      if (store) await store.remove(id);
      await show(true);
    },
  };
  return {
    api,
    send,
    async unblock() {
      if (!store) return;
      for (const entry of await list()) {
        if (entry.state === 'blocked') await update(entry.id, (now) => ({ ...now, state: 'pending' }));
      }
      send();
    },
    close() {
      closed = true;
      clearTimeout(timer);
      if (others) others.close();
      if (store) store.close(me);
    },
  };

  /** @returns {Promise<Entry[]>} */
  async function list() {
    const entries = store ? await store.all() : [];
    return entries.map((entry) => (entry.id === sending ? { ...entry, state: 'sending' } : entry));
  }

  /** @param {boolean} tell */
  async function show(tell) {
    if (closed) return;
    const entries = await list();
    for (const entry of entries) {
      const resolve = done.get(entry.id);
      if (resolve && (entry.state === 'sent' || entry.state === 'refused')) {
        done.delete(entry.id);
        resolve(entry);
      }
    }
    emit('outbox', entries);
    if (tell && others && !closed) others.postMessage(null);
  }

  /** @param {string} id @param {(entry: Entry) => Entry} change */
  async function update(id, change) {
    if (!store) return;
    await store.update(id, change);
    await show(true);
  }

  /** @param {Entry} entry @returns {Promise<Entry & { done: Promise<Entry> }>} */
  async function sellAtOnce(entry) {
    const { status, body } = await http.send('POST', '/api/sales', entry.sale);
    const isSent = status === 200 || status === 201;
    if (!isSent && (status >= 500 || status === 429 || status === 408)) throw new Error(body.detail);
    /** @type {Entry} */
    const ended = isSent
      ? { ...entry, state: 'sent', reply: body }
      : { ...entry, state: status === 401 || status === 403 ? 'blocked' : 'refused', problem: body };
    return { ...ended, done: Promise.resolve(ended) };
  }

  /** Sends what is pending. */
  async function send() {
    again = true;
    if (running || !store || closed) return;
    running = true;
    clearTimeout(timer);
    let wait = 0;
    try {
      while (again && !wait) {
        again = false;
        wait = await round();
      }
    } catch (error) {
      console.error(error);
      wait = BACK_OFF_MAX;
    } finally {
      running = false;
      sending = '';
    }
    if (wait && !closed) timer = setTimeout(send, wait);
  }

  /** Sends each pending entry once. Returns the time until the next round, 0 if there is nothing left. */
  async function round() {
    if (!store) return 0;
    for (const { id } of (await store.all()).filter(({ state }) => state === 'pending')) {
      if (closed) return 0;
      if (!(await store.lease(me))) return LEASE / 4; // another page sends
      const entry = await store.get(id);
      if (!entry || entry.state !== 'pending') continue;
      sending = id;
      await show(true);
      const next = await sendOne(entry);
      sending = '';
      if (next) await update(id, () => next);
      else return backOff();
      if (next.state === 'blocked' && socket.state === 'signed_out') return 0;
    }
    failures = 0;
    await store.prune();
    return 0;
  }

  function backOff() {
    failures += 1;
    const most = Math.min(BACK_OFF_MIN * 2 ** failures, BACK_OFF_MAX);
    return BACK_OFF_MIN + Math.random() * (most - BACK_OFF_MIN);
  }

  /** Sends an entry; returns it as it is then, `null` if the server has to be asked again. @param {Entry} entry */
  async function sendOne(entry) {
    /** @type {Reply} */
    let reply;
    try {
      reply = await http.send('POST', '/api/sales', entry.sale);
    } catch {
      return null;
    }
    const { status, body } = reply;
    if (status === 200 || status === 201) {
      return { ...entry, state: /** @type {const} */ ('sent'), reply: body };
    }
    if (status === 401 || status === 403) {
      return { ...entry, state: /** @type {const} */ ('blocked'), problem: body };
    }
    if (status === 408 || status === 429 || status >= 500) return null;
    return { ...entry, state: /** @type {const} */ ('refused'), problem: body };
  }
}

/**
 * The outbox and the kept lists in IndexedDB; `null` where there is none.
 *
 * @param {string} name
 */
function database(name) {
  if (typeof indexedDB !== 'object' || !indexedDB) return null;
  /** @type {Promise<IDBDatabase> | null} */
  let opened = null;

  /** @returns {Promise<IDBDatabase>} */
  function open() {
    opened =
      opened ||
      new Promise((resolve, reject) => {
        const request = indexedDB.open(name, 1);
        request.onupgradeneeded = () => {
          const entries = request.result.createObjectStore('outbox', { autoIncrement: true });
          entries.createIndex('id', 'id', { unique: true });
          request.result.createObjectStore('lease');
          request.result.createObjectStore('lists');
        };
        request.onsuccess = () => {
          const base = request.result;
          const forget = () => (opened = null);
          base.onversionchange = () => {
            base.close();
            forget();
          };
          base.onclose = forget;
          resolve(base);
        };
        request.onerror = () => {
          opened = null;
          reject(request.error);
        };
      });
    return opened;
  }

  /**
   * Runs `work` in a transaction, and resolves once that is on the disk. A browser closes the database of a page in
   * the background now and then, so it is tried a second time.
   *
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(outbox: IDBObjectStore, lease: IDBObjectStore, give: (value: T) => void) => void} work
   * @param {string[]} [stores]
   * @returns {Promise<T>}
   */
  async function run(mode, work, stores = ['outbox', 'lease']) {
    for (let tries = 1; ; tries += 1) {
      const base = await open();
      try {
        return await new Promise((resolve, reject) => {
          /** @type {any} */
          let value;
          const options = { durability: /** @type {const} */ ('strict') };
          const transaction = base.transaction(stores, mode, options);
          transaction.oncomplete = () => resolve(value);
          transaction.onabort = () => reject(transaction.error);
          const [first, second = first] = stores.map((name) => transaction.objectStore(name));
          work(first, second, (given) => (value = given));
        });
      } catch (error) {
        const { name: kind } = /** @type {DOMException} */ (error);
        if (tries > 1 || !['InvalidStateError', 'UnknownError', 'AbortError'].includes(kind)) throw error;
        base.close();
        opened = null;
      }
    }
  }

  /**
   * @param {IDBObjectStore} outbox
   * @param {string} id
   * @param {(cursor: IDBCursorWithValue) => void} found
   */
  function find(outbox, id, found) {
    const request = outbox.index('id').openCursor(id);
    request.onsuccess = () => request.result && found(request.result);
  }

  return {
    /** @param {Entry} entry @returns {Promise<void>} */
    add: (entry) => run('readwrite', (outbox) => void outbox.add(entry)),
    /** @returns {Promise<Entry[]>} */
    all: () =>
      run('readonly', (outbox, _, give) => {
        const request = outbox.getAll();
        request.onsuccess = () => give(request.result);
      }),
    /** @param {string} id @returns {Promise<Entry | undefined>} */
    get: (id) => run('readonly', (outbox, _, give) => find(outbox, id, (cursor) => give(cursor.value))),
    /** @param {string} id @param {(entry: Entry) => Entry} change @returns {Promise<void>} */
    update: (id, change) =>
      run('readwrite', (outbox) => find(outbox, id, (cursor) => void cursor.update(change(cursor.value)))),
    /** @param {string} id @returns {Promise<void>} */
    remove: (id) => run('readwrite', (outbox) => find(outbox, id, (cursor) => void cursor.delete())),
    /** Takes or renews the right to send; `false` if another page has it. @param {string} page @returns {Promise<boolean>} */
    lease: (page) =>
      run('readwrite', (_, lease, give) => {
        const request = lease.get(0);
        request.onsuccess = () => {
          const now = Date.now();
          const { owner, until } = request.result || { owner: page, until: 0 };
          // A clock that was set back must not keep the lease for ever.
          const isFree = owner === page || until < now || until > now + LEASE;
          give(isFree);
          if (isFree) lease.put({ owner: page, until: now + LEASE }, 0);
        };
      }),
    /** Forgets the oldest of the sent entries. @returns {Promise<void>} */
    prune: () =>
      run('readwrite', (outbox) => {
        let seen = 0;
        const request = outbox.openCursor(null, 'prev');
        request.onsuccess = () => {
          const cursor = request.result;
          if (!cursor) return;
          seen += Number(cursor.value.state === 'sent');
          if (cursor.value.state === 'sent' && seen > SENT_KEPT) cursor.delete();
          cursor.continue();
        };
      }),
    /** Keeps a list. @param {string} path @param {readonly Row[]} rows @returns {Promise<void>} */
    keep: (path, rows) => run('readwrite', (lists) => void lists.put(rows, path), ['lists']),
    /** The kept list of a path. @param {string} path @returns {Promise<Row[] | undefined>} */
    kept: (path) =>
      run(
        'readonly',
        (lists, _, give) => {
          const request = lists.get(path);
          request.onsuccess = () => give(request.result);
        },
        ['lists'],
      ),
    /** Lets go of the lease. @param {string} page */
    close(page) {
      run('readwrite', (_, lease) => {
        const request = lease.get(0);
        request.onsuccess = () => request.result && request.result.owner === page && lease.delete(0);
      }).catch(() => {});
    },
  };
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
    const tax = halfUp(amount * BigInt(rate), 100_000n + (added ? 0n : BigInt(rate)));
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
