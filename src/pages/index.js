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
  const { status, body } = await client.request('GET', '/api/auth/me').catch(() => ({ status: 0, body: null }));
  if (status === 200) return enter((body.user || body.device).role);
  at('#login').hidden = false;
  at('#login input').focus();
}

/** @param {string} role */
function enter(role) {
  const pages = PAGES[role] || [];
  const next = new URLSearchParams(location.search).get('next') || '';
  if (pages.includes(next.slice(1).split('#')[0])) return void (location.href = next);
  at('#login').hidden = true;
  at('#pages').hidden = false;
  at('#pages').replaceChildren(
    ...pages.map((page) => h('a', { href: `/${page}` }, text(`page_${page}`))),
    h('button', { type: 'button', onclick: leave }, text('log_out')),
  );
  client.retry();
}

async function leave() {
  await client.request('POST', '/api/auth/logout');
  location.href = '/';
}

at('#login').addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const form = /** @type {any} */ (event.target);
  const login = { username: form.username.value, password: form.password.value };
  try {
    const { status, body } = await client.request('POST', '/api/auth/login', login);
    if (status === 200) return enter(body.user.role);
    at('#wrong').textContent = status === 401 ? text('wrong_login') : body.detail;
  } catch {
    at('#wrong').textContent = text('not_reached');
  }
  form.password.select();
});
