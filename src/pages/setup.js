// @ts-check
/** The first start: the first admin and the shop, then the first product, device and order. */
import { client, h, ready, recall, remember, text } from './app.js';

/** The currency of a region, where it is not the euro. */
const CURRENCIES = /** @type {{ [region: string]: string }} */ ({
  US: 'USD', GB: 'GBP', CA: 'CAD', AU: 'AUD', NZ: 'NZD', IN: 'INR', ZA: 'ZAR', CH: 'CHF', LI: 'CHF', MX: 'MXN',
  AR: 'ARS', CO: 'COP', CL: 'CLP', PE: 'PEN', UY: 'UYU', BO: 'BOB', PY: 'PYG', VE: 'VES', CR: 'CRC', GT: 'GTQ',
  HN: 'HNL', NI: 'NIO', DO: 'DOP', CU: 'CUP', PA: 'PAB', SV: 'USD', EC: 'USD', PR: 'USD', SG: 'SGD', HK: 'HKD',
});
const STEPS = ['product', 'device', 'order'];

const code = location.hash.slice(1);
/** The shop's currency, once it is known. */
let currency = '';

/** @param {string} selector @returns {any} */
const at = (selector) => document.querySelector(selector);
const form = at('#setup');
start();

async function start() {
  await ready();
  const step = recall('setup');
  if (!code && step) return show(step);
  // The code alone is not enough to set up the shop, and shows what it is worth.
  const { status, body } = code ? await ask({ code }) : { status: 410, body: null };
  if (status === 422) return open();
  at('#ended').hidden = false;
  at('#why').textContent = status === 0 || status === 429 ? body.detail : '';
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [what]
 */
async function send(method, path, what) {
  try {
    return await client.request(method, path, what);
  } catch {
    return { status: 0, body: { detail: text('not_reached') } };
  }
}

/** @param {object} what */
const ask = (what) => send('POST', '/api/setup', what);

function open() {
  form.hidden = false;
  const region = (/-([A-Z]{2})\b/.exec(navigator.language) || [])[1] || '';
  const usual = CURRENCIES[region] || (navigator.language === 'en' ? 'USD' : 'EUR');
  at('#currency').append(currencies(usual));
  // Where the tax is added to the prices, it is so in all shops.
  form.tax.value = ['US', 'CA', 'PR'].includes(region) ? 'added' : 'included';
  form.username.focus();
}

/** The place to choose a currency, in old browsers to type its code. @param {string} usual */
function currencies(usual) {
  const known = /** @type {any} */ (Intl).supportedValuesOf;
  const rules = { name: 'currency', required: true };
  if (!known) return h('input', { ...rules, value: usual, pattern: '[A-Z]{3}', maxlength: 3 });
  const names = new Intl.DisplayNames(document.documentElement.lang, { type: 'currency' });
  const choices = known.call(Intl, 'currency').map((/** @type {string} */ one) =>
    h('option', { value: one, selected: one === usual }, `${one} · ${names.of(one)}`),
  );
  return h('select', rules, ...choices);
}

at('#shown').addEventListener('change', () => {
  form.password.type = at('#shown').checked ? 'text' : 'password';
});

form.addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const shop = { name: form.name.value, currency: form.currency.value, tax: form.tax.value };
  const admin = { username: form.username.value, password: form.password.value };
  form.querySelector('button').disabled = true;
  const { status, body } = await ask({ code, ...admin, shop });
  form.querySelector('button').disabled = false;
  if (status !== 201) {
    form.hidden = status === 410;
    at('#ended').hidden = !form.hidden;
    return complain(form, body);
  }
  form.hidden = true;
  // The code is worth nothing now, and need not stay in the history.
  history.replaceState(null, '', '/setup');
  client.retry();
  show('product');
});

/**
 * Says what is wrong with a form, and at which of its fields.
 *
 * @param {any} of
 * @param {{ detail: string, errors?: { field: string, message: string }[] }} problem
 */
function complain(of, { detail, errors = [] }) {
  const wrong = errors.map(({ field }) => of.querySelector(`[name=${field.replace('shop.', '')}]`)).filter(Boolean);
  wrong.sort((one, other) => (one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
  for (const field of of.querySelectorAll('[name]')) field.setAttribute('aria-invalid', String(wrong.includes(field)));
  const labels = wrong.map((field) => field.parentElement.firstElementChild.textContent);
  of.querySelector('.wrong').textContent = labels.length ? text('check_fields', { fields: labels.join(', ') }) : detail;
  (wrong[0] || of.querySelector('button')).focus();
}

/** Leads to a step, which is still there when the page comes back from another. @param {string} step */
async function show(step) {
  remember('setup', step);
  const number = STEPS.indexOf(step);
  at('#steps').hidden = false;
  for (const one of STEPS) at(`#${one}`).hidden = one !== step;
  at('#progress').textContent = text('step_of', { number: number + 1, count: STEPS.length });
  at('#next').textContent = text(number + 1 < STEPS.length ? 'skip' : 'finish');
  at('#address').textContent = `${location.origin}/pair`;
  at(`#${step} h1`).focus();
  const { status, body } = await send('GET', '/api/shop');
  if (status === 401) location.href = '/?next=/setup';
  if (status === 200) at('.unit').textContent = currency = body.currency;
}

at('#next').addEventListener('click', next);

async function next() {
  const step = STEPS[STEPS.indexOf(recall('setup')) + 1];
  if (step) return show(step);
  await remember('setup', '');
  location.href = '/';
}

/** A number as people write it; what is none stays a text, which the server refuses. @param {string} written */
function number(written) {
  const plain = written.trim().replace(',', '.');
  return /^\d+(\.\d+)?$/.test(plain) ? Number(plain) : written;
}

at('#product').addEventListener('submit', async (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const { name, price, tax_rate, stock } = /** @type {any} */ (at('#product').elements);
  const product = {
    name: name.value,
    sku: [...name.value.trim()].slice(0, 64).join('').trim(),
    price: number(price.value),
    tax_rate: tax_rate.value ? number(tax_rate.value) : null,
    // Goods that are not counted are never sold out.
    stock: stock.value ? number(stock.value) : null,
  };
  const { status, body } = await send('POST', '/api/products', product);
  if (status === 201) return next();
  complain(at('#product'), body);
});
