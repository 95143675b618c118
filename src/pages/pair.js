// @ts-check
/** Pairing, both sides: a device shows its code, an admin types or scans it and sees which device asks. */
import { age, client, h, ready, text } from './app.js';
import { place } from './place.js';

const ROLES = ['kitchen', 'display', 'kiosk', 'picker', 'staff'];

/** @param {string} selector @returns {any} */
const at = (selector) => document.querySelector(selector);
start();

async function start() {
  await ready();
  const { status, body } = await client.request('GET', '/api/auth/me').catch(() => ({ status: 0, body: null }));
  if (status === 200 && body.user && body.user.role === 'admin') return admin();
  if (location.hash) {
    // Whoever scanned the code has to be an admin; the code comes along.
    location.href = `/?next=${encodeURIComponent(`/pair${location.hash}`)}`;
    return;
  }
  device();
}

async function device() {
  at('#device').hidden = false;
  at('#again').hidden = true;
  try {
    const { status, body } = await client.request('POST', '/api/pairing');
    if (status !== 201) {
      at('#progress').textContent = body.detail;
      at('#again').hidden = false;
      return;
    }
    at('#code').textContent = body.code;
    at('#qr').alt = text('code_is', { code: body.code });
    at('#qr').src = `/api/pairing/qr.svg?${body.code}`;
    at('#progress').textContent = text('pair_waits');
    setTimeout(() => poll(body.poll_after_ms), body.poll_after_ms);
  } catch {
    at('#progress').textContent = text('not_reached');
    setTimeout(device, 5000);
  }
}

/** @param {number} every */
async function poll(every) {
  try {
    const { status, body } = await client.request('GET', '/api/pairing');
    if (status === 200 && body.status === 'approved') {
      location.href = '/';
      return;
    }
    // A code lives for ten minutes. A screen on a wall has nobody who would ask for a new one.
    if (status === 410 || status === 401) return void device();
    at('#progress').textContent = text('pair_waits');
  } catch {
    at('#progress').textContent = text('not_reached');
  }
  setTimeout(() => poll(every), every);
}

function admin() {
  at('#admin').hidden = false;
  at('select').append(...ROLES.map((role) => h('option', { value: role }, text(`role_${role}`))));
  at('#typed').addEventListener('change', lookUp);
  if (place()) {
    at('#typed').value = place();
    // The code must not stay in the history.
    history.replaceState(null, '', '/pair');
    lookUp();
  } else at('#typed').focus();
}

const typed = () => `/api/pairing/${encodeURIComponent(at('#typed').value)}`;

/** The path of the code whose device is shown. */
let seen = '';

/** A browser as people call it; all that it tells of itself, where that is not known. @param {string} told */
function browserOf(told) {
  const first = (/** @type {string[]} */ ...names) => names.find((name) => told.includes(name));
  // Each of these claims to be those that follow, too.
  const name = first('Firefox', 'Edg', 'OPR', 'SamsungBrowser', 'Chrome', 'Safari');
  const system = first('Android', 'iPhone', 'iPad', 'CrOS', 'Windows', 'Mac OS', 'Linux');
  return name && system ? `${name} · ${system}` : told;
}

/** Shows which device has the code. */
async function lookUp() {
  seen = '';
  at('#wrong').textContent = '';
  at('#asking').hidden = at('#warning').hidden = true;
  const path = typed();
  try {
    const { status, body } = await client.request('GET', path);
    if (path !== typed()) return; // another code was typed meanwhile
    if (status !== 200) {
      at('#wrong').textContent = body.detail;
      return;
    }
    const told = [body.address, browserOf(body.user_agent || '?'), age(Date.parse(body.created_at))];
    const places = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll('#asking dd'));
    places.forEach((place, index) => (place.textContent = told[index]));
    seen = path;
    at('#asking').hidden = at('#warning').hidden = false;
    at('[name=name]').focus();
  } catch {
    at('#wrong').textContent = text('not_reached');
  }
}

at('#again').addEventListener('click', device);
at('#admin').addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  // Nobody approves a device that he has not seen.
  if (typed() !== seen) return lookUp();
  const device = { name: at('[name=name]').value, role: at('[name=role]').value };
  try {
    const { status, body } = await client.request('POST', seen, device);
    if (status !== 201) {
      at('#wrong').textContent = body.detail;
      return;
    }
    at('shop-toast').say(text('paired', { name: body.name }));
    at('#admin').reset();
    at('#asking').hidden = at('#warning').hidden = true;
    at('#typed').focus();
  } catch {
    at('#wrong').textContent = text('not_reached');
  }
});
