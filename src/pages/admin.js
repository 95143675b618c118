// @ts-check
/** The server for the shop's admins. Each part of the page has an address of its own. */
import { client, h, quantity, ready, show, text, whoami } from './app.js';
import { chart } from './charts.js';
import { ask, editable, fill, list, readable } from './lists.js';

const ROLES = ['admin', 'staff', 'kitchen', 'picker', 'display', 'kiosk'];
const ENTITIES = ['order', 'product', 'customer', 'shipment', 'transaction', 'user', 'device', 'session', 'shop'];
/** How often the part on the screen is read again, in milliseconds. */
const REFRESH = 5000;
/** A page of the server that has all, in most shops. */
const ALL = 'limit=200&';
const [MINUTE, HOUR, DAY] = [60, 3600, 86400];

/** @param {string} selector @returns {any} */
const at = (selector) => document.querySelector(selector);
/** A role without its explanation. @param {string} role */
const roleName = (role) => text(`role_${role}`).split(':')[0];
/** @param {string} time */
const moment = (time) => h('time', { datetime: time }, new Date(time).toLocaleString(document.documentElement.lang));
/** @param {string} told */
const dim = (told) => h('span', { class: 'dim' }, told);
/** @param {string} label @param {HTMLElement} input */
const field = (label, input) => h('label', {}, h('span', {}, text(label)), input);
/** @param {number} value */
const tenths = (value) => quantity(Math.round(value * 10) / 10);
/** @param {string[]} roles */
const roleOptions = (roles) => roles.map((role) => h('option', { value: role }, text(`role_${role}`)));

/** @param {number} count */
function bytes(count) {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(count, 1)) / 10));
  return `${tenths(count / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/** @param {string} since */
function ago(since) {
  const seconds = Math.max(0, Math.round((client.now() - Date.parse(since)) / 1000));
  if (seconds < MINUTE) return text('seconds_ago', { count: seconds });
  if (seconds < HOUR) return text('minutes_ago', { count: Math.floor(seconds / MINUTE) });
  if (seconds < 2 * DAY) return text('hours_ago', { count: Math.floor(seconds / HOUR) });
  return text('days_ago', { count: Math.floor(seconds / DAY) });
}

/** @param {any} one */
function device(one) {
  const seen = one.last_seen_at ? `${ago(one.last_seen_at)} · ${one.address}` : text('never_seen');
  const sockets = text(one.unsent ? 'sockets_lag' : 'sockets', { count: one.sockets, unsent: one.unsent });
  return [h('b', {}, one.name), h('span', {}, roleName(one.role)), dim(seen), one.sockets ? dim(sockets) : null];
}

function deviceFields() {
  return [
    field('device_name', h('input', { name: 'name', maxlength: 64, required: true })),
    field('role', h('select', { name: 'role' }, ...roleOptions(ROLES.slice(1)))),
  ];
}

/** @param {any} one */
function user(one) {
  return [h('b', {}, one.username), h('span', {}, roleName(one.role)), one.disabled ? dim(text('disabled')) : null];
}

function userFields() {
  const name = { name: 'username', autocomplete: 'off', autocapitalize: 'none', maxlength: 64, required: true };
  const password = { name: 'password', type: 'password', autocomplete: 'new-password', minlength: 8 };
  const disabled = h('input', { type: 'checkbox', name: 'disabled' });
  return [
    field('username', h('input', name)),
    field('role', h('select', { name: 'role' }, ...roleOptions(ROLES))),
    field('new_password', h('input', password)),
    h('label', { class: 'check' }, disabled, h('span', {}, text('disabled'))),
  ];
}

/** @param {any} one */
function entry(one) {
  const id = one.user_id || one.device_id;
  const nobody = text(one.address ? 'nobody' : 'console');
  const actor = one.username || one.device_name || (id ? `#${id}` : nobody);
  const what = text(`action_${one.action}`, { what: `${text(`entity_${one.entity}`)} ${one.row_id}` });
  const rest = [one.fields.join(', '), one.reason, one.note, one.address].filter(Boolean).join(' · ');
  return [moment(one.at), h('b', {}, actor), what, dim(rest)];
}

/** @param {any} one */
function error(one) {
  const level = h('b', { class: one.level }, text(`level_${one.level}`));
  return [moment(one.at), level, one.message, one.count > 1 ? dim(text('times', { count: one.count })) : null];
}

/** @param {any} order */
function lacking(order) {
  const names = new Map(order.items.map((/** @type {any} */ item) => [item.product_id, item.name]));
  const goods = order.oversold.map((/** @type {any} */ one) =>
    text('oversold_line', { name: names.get(one.product_id) || `#${one.product_id}`, count: quantity(one.quantity) }),
  );
  const number = text('order_number_is', { number: order.order_number });
  return [h('b', {}, number), moment(order.created_at), h('div', {}, goods.join(' · '))];
}

/** The function that reads each part: when it is shown, and every `REFRESH` while it is. */
const PARTS = /** @type {{ [name: string]: () => Promise<void> | void }} */ ({
  load,
  devices: list('devices', '/api/devices', editable('/api/devices', device, deviceFields, refresh), () => ALL),
  users: list('users', '/api/users', editable('/api/users', user, userFields, refresh), () => ALL),
  oversold() {},
  audit: list('audit', '/api/audit', readable(entry), () => at('#entity').value && `entity=${at('#entity').value}&`),
  errors: list('errors', '/api/errors', readable(error)),
  backups,
  consumers() {},
});
let part = 'load';
start();

async function start() {
  await ready();
  const { role } = await whoami();
  if (role !== 'admin') {
    tell(text(role ? 'only_admins' : 'not_reached'));
    if (!role) setTimeout(start, REFRESH);
    return;
  }
  at('main').hidden = false;
  at('#parts').append(...Object.keys(PARTS).map((name) => h('a', { href: `#${name}` }, text(`part_${name}`))));
  at('#add select').append(...roleOptions(ROLES));
  const entities = ['', ...ENTITIES].map((name) => h('option', { value: name }, text(`entity_${name || 'all'}`)));
  at('#entity').append(...entities);
  const orders = client.live('/api/orders?oversold=true&status=pending,processing,ready,shipped');
  orders.subscribe(() => {
    const update = (/** @type {Element} */ row, /** @type {any} */ order) => fill(row, lacking(order));
    show(at('#oversold .rows'), orders.items, (order) => order.id, () => h('li'), update);
    at('#oversold .none').hidden = orders.items.length > 0 || orders.state !== 'live';
  });
  addEventListener('hashchange', enter);
  document.addEventListener('visibilitychange', refresh);
  setInterval(refresh, REFRESH);
  enter();
}

function enter() {
  const named = location.hash.slice(1);
  part = named in PARTS ? named : 'load';
  for (const section of document.querySelectorAll('main > section')) {
    section.toggleAttribute('hidden', section.id !== part);
  }
  for (const link of document.querySelectorAll('#parts a')) {
    const isShown = link.getAttribute('href') === `#${part}`;
    link.setAttribute('aria-current', isShown ? 'page' : 'false');
    // On a phone, the links are a row that scrolls.
    if (isShown) link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
  refresh();
}

async function refresh() {
  if (document.hidden) return;
  try {
    await PARTS[part]();
    tell('');
  } catch (error) {
    // What is shown stays, and the next try comes by itself.
    tell((error instanceof TypeError ? '' : /** @type {any} */ (error).message) || text('not_reached'));
  }
}

/** Tells why the page shows nothing new. @param {string} why */
function tell(why) {
  if (at('#away').textContent !== why) at('#away').textContent = why;
  at('#away').hidden = !why;
}

/** @type {{ [name: string]: ReturnType<typeof chart> }} */
const charts = {};
/** The values of the last hour. @type {{ [measure: string]: number[] }} */
const course = {};
let next = 0;

async function load() {
  const begun = next;
  const { status, body } = await client.request('GET', `/api/status?after=${begun}`);
  if (status !== 200) throw new Error(body && body.detail);
  // Another reply, to a question that was asked meanwhile, has come first.
  if (next !== begun) return;
  // A server that has started again counts from the beginning.
  const isContinued = body.next - body.samples.events.length === next;
  for (const [measure, values] of Object.entries(body.samples)) {
    const before = isContinued && course[measure] ? course[measure] : [];
    course[measure] = [...before, ...values].slice(-HOUR / body.interval_s);
  }
  next = body.next;
  at('#state').toggleAttribute('data-bad', !body.healthy || body.disk_full);
  at('#state').textContent = text(body.disk_full ? 'state_full' : body.healthy ? 'state_good' : 'state_bad', {
    version: body.version,
    hours: Math.floor(body.uptime_s / HOUR),
    minutes: Math.floor((body.uptime_s % HOUR) / MINUTE),
    size: bytes(body.database_bytes),
  });
  draw(body.bounds, body.interval_s);
}

/** @param {{ [measure: string]: number }} bounds @param {number} interval in seconds */
function draw(bounds, interval) {
  const milliseconds = (/** @type {number} */ micros) => `${tenths(micros / 1000)} ms`;
  const kib = (/** @type {number} */ value) => bytes(value * 1024);
  const mib = (/** @type {number} */ value) => bytes(value * 1024 * 1024);
  // Soon after the start, an hour would be an empty chart.
  const span = [5 * MINUTE, 15 * MINUTE].find((time) => course.events.length * interval <= time) || HOUR;
  const length = span / interval;
  const perSecond = course.events.map((value) => value / interval);
  /** @type {[string, number[][], (value: number) => string, number?][]} */
  const all = [
    ['events', [perSecond], tenths],
    ['commit', [course.commit_max_us, course.commit_mean_us], milliseconds],
    ['connections', [course.connections, course.websockets], tenths],
    ['queue', [course.queue], tenths, bounds.queue],
    ['ring', [course.unsent, course.ring_events], tenths, bounds.ring_events],
    ['memory', [course.memory_kib], kib, bounds.memory_kib],
    ['disk', [course.disk_free_mib], mib, bounds.disk_mib],
  ];
  for (const [name, lines, written, bound] of all) {
    if (!charts[name]) {
      charts[name] = chart(text(`chart_${name}`), lines.length, written);
      at('#charts').append(charts[name].element);
    }
    const [other, value = other] = lines.map((line) => written(line[line.length - 1] || 0));
    const most = bound === undefined ? '' : written(bound);
    const now = text(`chart_${name}_now`, { value, other, bound: most });
    charts[name].show({ lines, length, bound, now, since: text('minutes_ago', { count: span / MINUTE }) });
  }
}

async function backups() {
  const { status, body } = await client.request('GET', '/api/backups');
  if (status !== 200) throw new Error(body && body.detail);
  at('#folder').textContent = text('backup_folder', { folder: body.folder });
  at('#back-up').disabled = body.running;
  at('#backing').textContent = body.running ? text('backing_up') : '';
  at('#backups .none').hidden = body.data.length > 0;
  const backup = (/** @type {any} */ one) => [moment(one.created_at), h('b', {}, one.name), dim(bytes(one.bytes))];
  show(at('#backups .rows'), body.data, (one) => one.name, () => h('li'), (row, one) => fill(row, backup(one)));
}

at('#back-up').addEventListener('click', async () => {
  at('#back-up').disabled = true;
  at('#backing').textContent = text('backing_up');
  // A backup that takes longer than a request goes on, and the list tells when it is complete.
  const reply = await client.request('POST', '/api/backups').catch(() => null);
  const made = reply && reply.body;
  const complete = () => text('backed_up', { name: made.name, size: bytes(made.bytes) });
  if (made) at('shop-toast').say(reply.status === 201 ? complete() : made.detail);
  refresh();
});
at('#code').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  // The page of the pairing shows which device has the code, and asks for its name and role.
  location.href = `/pair#${encodeURIComponent(at('#code input').value)}`;
});
at('#add form').addEventListener('submit', async (/** @type {Event} */ event) => {
  event.preventDefault();
  const form = /** @type {any} */ (event.target);
  const given = { username: form.username.value, password: form.password.value, role: form.role.value };
  if (!(await ask('POST', '/api/users', given))) return;
  form.reset();
  at('#add').open = false;
  refresh();
});
at('#entity').addEventListener('change', refresh);
