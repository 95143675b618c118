// @ts-check
/** The login, and the way to the pages of a role. */
import { client, h, ready, text } from './app.js';

/** The pages of each role; the first is the one that it works with. */
const PAGES = /** @type {{ [role: string]: string[] }} */ ({
  admin: ['admin', 'board', 'sell', 'pick', 'numbers', 'pair'],
  staff: ['sell', 'board', 'pick', 'numbers'],
  kitchen: ['board', 'numbers'],
  picker: ['pick', 'board'],
  display: ['board', 'numbers'],
  kiosk: ['kiosk'],
});

/** @param {string} selector @returns {any} */
const at = (selector) => document.querySelector(selector);
start();

async function start() {
  await ready();
  const [me, demo] = await Promise.all(['/api/auth/me', '/api/demo'].map((path) => read(path)));
  const logins = demo.status === 200 ? demo.body.data : [];
  offer(logins);
  if (me.status === 200) return me.body.user && !location.search ? show(me.body.user.role) : enter(roleOf(me.body));
  at('#login').hidden = false;
  // In a demo nobody types, so no keyboard covers a phone's screen.
  at(logins.length ? '#demo button' : '#login input').focus();
}

/** @param {any} me */
const roleOf = (me) => (me.user || me.device).role;

/** @param {string} path @param {string} [method] */
const read = (path, method = 'GET') => client.request(method, path).catch(() => ({ status: 0, body: null }));

/** @typedef {{ username: string, password: string }} Login */

/** A button for each login of a demo, whose name is its role. @param {Login[]} logins */
function offer(logins) {
  const button = (/** @type {Login} */ login) =>
    h('button', { type: 'button', onclick: () => logIn(login) }, text(`role_${login.username}`));
  at('#demo').hidden = !logins.length;
  at('#demo').append(...logins.map(button));
}

/** @param {Login} login */
async function logIn(login) {
  try {
    const { status, body, retryAfter } = await client.request('POST', '/api/auth/login', login);
    if (status === 200) return enter(body.user.role);
    const minutes = Math.ceil(retryAfter / 60000);
    const later = status === 429 ? text('login_later', { minutes }) : body.detail;
    at('#wrong').textContent = status === 401 ? text('wrong_login') : later;
  } catch {
    at('#wrong').textContent = text('not_reached');
  }
  at('[name=password]').select();
}

/** Leads to the page that asked for a login, or to the one that the role works with. @param {string} role */
function enter(role) {
  const pages = PAGES[role] || [];
  const next = new URLSearchParams(location.search).get('next') || '';
  const page = next.slice(1).split('#')[0];
  const isOwn = pages.includes(page) || (role === 'admin' && page === 'setup');
  location.href = isOwn ? next : `/${pages[0]}`;
}

/** @param {string} role */
function show(role) {
  const pages = PAGES[role] || [];
  at('#pages').hidden = false;
  at('#pages').replaceChildren(
    ...pages.map((page) => h('a', { href: `/${page}` }, text(`page_${page}`))),
    h('button', { type: 'button', onclick: leave }, text('log_out')),
  );
  client.retry();
}

async function leave() {
  const reply = await read('/api/auth/logout', 'POST');
  if (reply.status) location.href = '/';
  else at('#away').textContent = text('not_reached');
}

at('#login').addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  logIn({ username: at('[name=username]').value, password: at('[name=password]').value });
});
