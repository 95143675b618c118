// @ts-check
/** The reference of the server's interfaces, drawn from the documents that it gives to programs. */
import { h, ready, text } from './app.js';
import { details, listed, operationsOf } from './operation.js';
import { place as named } from './place.js';
import { example, fields, json, link, nameOf, paragraphs, prose, schemas } from './schema.js';

/** @param {string} selector @returns {any} */
const at = (selector) => document.querySelector(selector);
/** @param {string} selector @returns {HTMLElement[]} */
const all = (selector) => [...document.querySelectorAll(selector)].map((one) => /** @type {HTMLElement} */ (one));
/** The parts that a search finds. */
const PARTS = 'details[data-words]';
start();

async function start() {
  await ready();
  at('#search').placeholder = text('docs_search');
  try {
    draw(...(await Promise.all([read('/openapi.json'), read('/asyncapi.json')])));
  } catch {
    at('main').replaceChildren(h('p', { role: 'alert' }, text('docs_not_read')));
    return;
  }
  find();
  go();
}

/** @param {string} path */
const read = async (path) => (await fetch(path)).json();

/** @param {any} open @param {any} live the documents of the HTTP interface and of the WebSocket */
function draw(open, live) {
  Object.assign(schemas, live.components.schemas, open.components.schemas);
  const operations = operationsOf(open);
  at('main').replaceChildren(
    beginning(open),
    ...open.tags.map((/** @type {any} */ { name, description }) => {
      const own = operations.filter(({ tag }) => tag === name);
      return section(name, name, ...paragraphs(description), ...own.map(operationPart));
    }),
    socket(live),
    section('schemas', text('docs_schemas'), ...schemaParts(live)),
    problems(operations),
  );
  at('nav').replaceChildren(
    ...all('main > section').map((one) => h('a', { href: `#${one.id}` }, one.firstElementChild?.textContent)),
  );
}

/** @param {string} id @param {string} title @param {...any} children */
const section = (id, title, ...children) => h('section', { id }, h('h2', {}, title), ...children);

/**
 * A part that is filled when it is opened first.
 *
 * @param {string} id
 * @param {(Node | string)[]} title
 * @param {(string | undefined)[]} words by which it is found
 * @param {() => Node[]} fill
 */
function part(id, title, words, fill) {
  const box = h('details', { id, 'data-words': words.join(' ').toLowerCase() }, h('summary', {}, ...title));
  box.addEventListener('toggle', () => box.childElementCount === 1 && box.append(...fill()));
  return box;
}

/** A heading and an example below it. @param {any} schema */
const exampleOf = (schema) => [h('h3', {}, text('docs_example')), json(example(schema, false))];

/** The part that the author of each program needs first. @param {any} open */
function beginning({ info, components }) {
  const { session, token } = components.securitySchemes;
  const links = ['/openapi.json', '/asyncapi.json', '/client.js'].map((path) => h('a', { href: path }, path));
  return section(
    'start',
    `${info.title} ${info.version}`,
    ...paragraphs(info.description),
    h('dl', {}, ...way(`Cookie: ${session.name}=…`, session), ...way('Authorization: Bearer …', token)),
    h('p', {}, ...listed(links)),
  );
}

/** A way to be logged in. @param {string} header @param {any} scheme */
const way = (header, { description }) => [h('dt', {}, h('code', {}, header)), h('dd', {}, prose(description))];

/** @param {import('./operation.js').Operation} operation */
function operationPart(operation) {
  const { id, method, path, summary, description, parameters } = operation;
  const title = [h('b', { class: method }, method), ' ', h('code', {}, path), ' ', prose(summary)];
  const words = [id, method, path, summary, description, ...parameters.map(({ name }) => name)];
  return part(id, title, words, () => details(operation));
}

/** The WebSocket: how to connect, and each message of both directions. @param {any} live */
function socket({ info, channels, operations, components }) {
  const { address, description } = channels.socket;
  /** @type {Set<string>} */
  const drawn = new Set();
  const once = (/** @type {string} */ name) => {
    // A message of both directions has its place in the first.
    if (drawn.has(name)) return h('p', {}, link(name));
    drawn.add(name);
    return message(components.messages[name]);
  };
  const directions = /** @type {any[]} */ (Object.values(operations)).flatMap(({ summary, messages }) => [
    h('h3', {}, prose(summary)),
    ...messages.map(nameOf).map(once),
  ]);
  const about = [...paragraphs(info.description), ...paragraphs(description)];
  return section('socket', `WebSocket ${address}`, ...about, ...directions);
}

/** @param {{ name: string, summary: string, payload: any }} message */
function message({ name, summary, payload }) {
  const title = [h('code', {}, name), ' ', prose(summary)];
  return part(name, title, [name, summary, 'websocket'], () => [fields(payload), ...exampleOf(payload)]);
}

/** The schemas that are no messages. @param {any} live */
function schemaParts({ components }) {
  const names = Object.keys(schemas).filter((name) => !components.messages[name]);
  return names.sort().map((name) => {
    const { description = '', properties = {}, enum: choices = [] } = schemas[name];
    const title = [h('code', {}, name), ' ', prose(description)];
    const words = [name, description, ...Object.keys(properties), ...choices];
    return part(name, title, words, () => [fields({ $ref: name }), ...exampleOf({ $ref: name })]);
  });
}

/**
 * Each code of a problem or of a wrong field, at the address that is its `type`, and the operations that answer so.
 *
 * @param {import('./operation.js').Operation[]} operations
 */
function problems(operations) {
  const { enum: codes, 'x-enumDescriptions': sentences } = schemas.ProblemCode;
  const entry = (/** @type {string} */ code) => {
    const having = operations.filter((one) => one.problems.some((problem) => problem.codes.includes(code)));
    const title = [h('code', {}, code), ' ', prose(sentences[code])];
    return part(code, title, [code, sentences[code]], () => [h('p', {}, ...listed(having.map(({ id }) => link(id))))]);
  };
  return section('problems', text('docs_problems'), ...paragraphs(schemas.Problem.description), ...codes.map(entry));
}

/** Shows only what has all the words of the search. */
function find() {
  /** @type {string[]} */
  const words = at('#search').value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const box of all(PARTS)) {
    box.hidden = !words.every((word) => (box.dataset.words || '').includes(word));
  }
  for (const one of all('main > section'))
    one.hidden = words.length > 0 && !one.querySelector(`${PARTS}:not([hidden])`);
  at('#found').textContent = words.length ? text('docs_found', { count: all(`${PARTS}:not([hidden])`).length }) : '';
}

/** Opens and shows the part that the address names. */
function go() {
  const ofPage = location.pathname.endsWith('/problems') ? 'problems' : '';
  const place = document.getElementById(named() || ofPage);
  if (!place) return;
  if (place.closest('[hidden]')) {
    at('#search').value = '';
    find();
  }
  all('.found').forEach((one) => one.classList.remove('found'));
  if (place instanceof HTMLDetailsElement) {
    place.open = true;
    place.classList.add('found');
    place.querySelector('summary')?.focus({ preventScroll: true });
  }
  place.scrollIntoView();
}

addEventListener('hashchange', go);
at('#search').addEventListener('input', find);
at('#open').addEventListener('click', () => {
  for (const box of all(`${PARTS}:not([hidden])`)) /** @type {HTMLDetailsElement} */ (box).open = true;
});
addEventListener('keydown', (event) => {
  if (event.key !== '/' || /** @type {HTMLElement} */ (event.target).matches('input, select')) return;
  event.preventDefault();
  at('#search').focus();
});
