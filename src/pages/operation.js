// @ts-check
/**
 * One operation of the HTTP interface: what it takes and gives, its problems, an example, and for a GET a form that
 * sends it.
 *
 * @module
 */
import { h, text } from './app.js';
import { closed, example, field, fields, json, link, nameOf, paragraphs, prose, resolved } from './schema.js';

/**
 * @typedef {object} Operation
 * @property {string} path
 * @property {string} method
 * @property {string} id
 * @property {string} summary
 * @property {string} description
 * @property {any[]} parameters
 * @property {[string, any][]} body the kinds of its body, and the schema of each
 * @property {any[]} replies its successes
 * @property {{ status: string, codes: string[] }[]} problems
 */

/** The most that is shown of a body. */
const BODY_CHARS_MAX = 20000;
/** The headers that say something about the shop or the reply. */
const HEADERS = ['content-type', 'etag', 'location', 'retry-after', 'tillcast-seq', 'tillcast-version'];
/** Values for the places in a path. */
const PLACES = /** @type {{ [name: string]: string }} */ ({ id: '1', sku: 'T-1', code: 'BCDFGHJK' });

/** All operations of a document. @param {any} open @returns {(Operation & { tag: string })[]} */
export function operationsOf(open) {
  /** @param {any} one */
  const named = (one) => (one.$ref ? { ...open.components[one.$ref.split('/')[2]][nameOf(one)], ...one } : one);
  return Object.entries(open.paths).flatMap(([path, { parameters: ofPath = [], ...methods }]) =>
    Object.entries(methods).map(([method, operation]) => {
      const replies = Object.entries(operation.responses).map(([status, one]) => ({ status, ...named(one) }));
      const wrong = replies.filter(({ status }) => status >= '400');
      return {
        path,
        method: method.toUpperCase(),
        id: operation.operationId,
        tag: operation.tags[0],
        summary: operation.summary,
        description: operation.description,
        parameters: [...ofPath, ...operation.parameters].map(named),
        body: operation.requestBody ? Object.entries(operation.requestBody.content) : [],
        replies: replies.filter(({ status }) => status < '400'),
        problems: wrong.map(({ status, description }) => ({ status, codes: codesIn(description) })),
      };
    }),
  );
}

/** The codes that a sentence such as `A problem: busy, unavailable.` names. @param {string} sentence */
const codesIn = (sentence) => sentence.match(/[a-z_]+(?=[,.])/g) || [];

/** The description below the line of an operation. @param {Operation} operation @returns {Node[]} */
export function details({ path, method, description, parameters, body, replies, problems }) {
  const described = parameters.map((one) =>
    field(one.name, { ...one.schema, description: one.description }, one.required),
  );
  return [
    ...paragraphs(description),
    ...titled('docs_parameters', described.length > 0 && h('dl', {}, ...described)),
    ...titled('docs_body', body.length > 0 && bodyOf(body)),
    ...titled('docs_example', h('pre', {}, h('code', {}, command(path, method, body)))),
    ...(method === 'GET' ? [attempt(path, parameters)] : []),
    ...titled('docs_response', h('div', {}, ...replies.map(reply))),
    ...titled('docs_problems', h('dl', { class: 'codes' }, ...problems.flatMap(codes))),
  ];
}

/** A heading and what is below it; nothing without that. @param {string} name @param {any} node */
const titled = (name, node) => (node ? [h('h3', {}, text(name)), node] : []);

/** @param {[string, any][]} body */
function bodyOf(body) {
  const { schema } = body[0][1];
  const media = body.map(([name]) => name).join(', ');
  return h('div', {}, h('p', {}, link(nameOf(schema)), ` ${media}`), fields(schema));
}

/** @param {{ status: string, description: string, headers: any, content: any }} reply */
function reply({ status, description, headers, content = {} }) {
  const [media = '', { schema } = /** @type {any} */ ({})] = /** @type {any[]} */ (Object.entries(content)[0] || []);
  const isJson = media.includes('json');
  return h(
    'div',
    {},
    h('p', {}, h('b', {}, status), ' ', prose(description), ' ', isJson ? link(nameOf(schema)) : media),
    h('p', {}, ...listed(Object.keys(headers).map((name) => h('code', {}, name)))),
    isJson ? closed([text('docs_fields')], () => fields(schema)) : null,
    isJson ? closed([text('docs_example')], () => json(example(schema, false))) : null,
  );
}

/** @param {{ status: string, codes: string[] }} problems */
const codes = ({ status, codes }) => [h('dt', {}, h('b', {}, status)), h('dd', {}, ...listed(codes.map(link)))];

/** Nodes with commas between them. @param {Node[]} nodes */
export const listed = (nodes) => nodes.flatMap((node, at) => (at ? [', ', node] : [node]));

/** A command that sends it. @param {string} path @param {string} method @param {[string, any][]} body */
function command(path, method, body) {
  const url = location.origin + path.replace(/\{(\w+)\}/g, (_, name) => PLACES[name]);
  const start = `curl -b jar -c jar -X ${method} ${url}`;
  if (!body.length) return start.replace('-X GET ', '');
  const [media, { schema }] = body[0];
  return `${start} \\\n  -H 'Content-Type: ${media}' \\\n  -d '${JSON.stringify(example(schema, true))}'`;
}

/**
 * A form that sends a GET with the person's own session, and shows what comes.
 *
 * @param {string} path
 * @param {any[]} parameters
 */
function attempt(path, parameters) {
  const sent = parameters.filter((one) => one.in !== 'header');
  const shown = h('div', {});
  const form = h(
    'form',
    {},
    ...sent.map((one) => h('label', {}, h('code', {}, one.name), input(one))),
    h('button', { class: 'main' }, text('docs_send')),
  );
  form.addEventListener('submit', async (/** @type {Event} */ event) => {
    event.preventDefault();
    const values = new FormData(form);
    const target = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(values.get(name))));
    const given = sent.filter((one) => one.in === 'query' && values.get(one.name));
    const query = String(new URLSearchParams(given.map((one) => [one.name, String(values.get(one.name))])));
    shown.replaceChildren(...(await answer(query ? `${target}?${query}` : target)));
  });
  return h('div', { class: 'try' }, ...titled('docs_try', form), shown);
}

/** @param {any} parameter */
function input({ name, required, schema }) {
  /** @type {string[]} */
  const words = resolved(schema).enum || (schema.type === 'boolean' ? ['true', 'false'] : []);
  if (!words.length) return h('input', { name, required, autocomplete: 'off', placeholder: schema.default });
  return h('select', { name }, h('option', { value: '' }, '–'), ...words.map((word) => h('option', {}, word)));
}

/** The reply of the server to a GET. @param {string} target @returns {Promise<Node[]>} */
async function answer(target) {
  const sent = h('pre', {}, h('code', {}, `GET ${target}`));
  const began = performance.now();
  try {
    const { status, headers, body } = await get(target);
    const time = Math.round(performance.now() - began);
    const code = status >= 400 && body && body.code;
    const words = typeof body === 'string' ? body : JSON.stringify(body, null, 2);
    const cut = words.length > BODY_CHARS_MAX ? `${words.slice(0, BODY_CHARS_MAX)} …` : words;
    return [
      sent,
      h('p', { role: 'status' }, h('b', {}, String(status)), ` · ${time} ms `, code ? link(code) : null),
      h('pre', {}, h('code', {}, headers.join('\n'))),
      h('pre', { tabindex: 0 }, h('code', {}, cut)),
    ];
  } catch {
    return [sent, h('p', { role: 'status' }, text('not_reached'))];
  }
}

/** @param {string} target */
async function get(target) {
  const reply = await fetch(target, { cache: 'no-store' });
  const words = await reply.text();
  const isJson = (reply.headers.get('content-type') || '').includes('json');
  const headers = HEADERS.filter((name) => reply.headers.has(name));
  return {
    status: reply.status,
    headers: headers.map((name) => `${name}: ${reply.headers.get(name)}`),
    body: isJson ? JSON.parse(words) : words,
  };
}
