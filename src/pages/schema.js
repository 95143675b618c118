// @ts-check
/**
 * The schemas of the server's documents as people read them: types, bounds, and an example of each.
 *
 * @module
 */
import { h, text } from './app.js';

/** @typedef {{ [keyword: string]: any }} Schema */

/** Values that a reader recognises. Fields of other names get the least value that their schema allows. */
const SAMPLES = /** @type {{ [field: string]: any }} */ ({
  amount: 9.9,
  barcode: '4006381333931',
  carrier: 'DHL',
  client_id: 'till-1-0001',
  currency: 'USD',
  current_password: 'correct horse battery',
  email: 'ana@example.com',
  first_name: 'Ana',
  gateway: 'cash',
  last_name: 'Silva',
  name: 'Tea',
  new_password: 'correct horse battery 2',
  order_number: 'ORD-0000000001',
  password: 'correct horse battery',
  phone: '+1 555 0100',
  price: 9.9,
  quantity: 1,
  sku: 'T-1',
  stock: 10,
  tracking_number: '1Z999',
  total: 9.9,
  unit_price: 9.9,
  username: 'ana',
});

/** The fields of which a body that needs none has the first two. */
const FAMILIAR = ['name', 'price', 'email', 'carrier', 'gateway', 'role', 'status'];

/** The schemas of both documents, by their names. */
export const schemas = /** @type {{ [name: string]: Schema }} */ ({});

/** The last part of a reference: a name. @param {Schema} schema */
export const nameOf = (schema) => (schema.$ref || '').split('/').pop();

/** The schema that is meant. @param {Schema} schema @returns {Schema} */
export const resolved = (schema) => (schema.$ref ? schemas[nameOf(schema)] : schema);

/** A sentence of a document; words between backquotes are code, and known problems are links. @param {string} words */
export function prose(words) {
  const codes = schemas.ProblemCode ? schemas.ProblemCode.enum : [];
  const nodes = words.split('`').flatMap((part, at) => {
    if (at % 2) return [h('code', {}, part)];
    return part
      .split(/(\b[a-z]+(?:_[a-z]+)*\b)/)
      .map((word) => (codes.includes(word) && word.includes('_') ? link(word) : word));
  });
  return h('span', { lang: 'en' }, ...nodes);
}

/** Sentences of a document; an empty line separates two paragraphs. @param {string} words */
export const paragraphs = (words) => words.split('\n\n').map((one) => h('p', {}, prose(one)));

/** @param {any} value */
export const json = (value) => h('pre', {}, h('code', {}, JSON.stringify(value, null, 2)));

/** A link to the part of the page with this name. @param {string} name */
export const link = (name) => h('a', { href: `#${name}` }, h('code', {}, name));

/**
 * The fields of an object, with the type, the bounds and the meaning of each; or what it is instead.
 *
 * @param {Schema} schema
 * @returns {Element}
 */
export function fields(schema) {
  const { properties, required = [], oneOf } = resolved(schema);
  if (oneOf) {
    const title = (/** @type {Schema} */ one) => (one.$ref ? [h('code', {}, nameOf(one))] : type(one, false));
    return h('div', {}, ...oneOf.map((/** @type {Schema} */ one) => closed(title(one), () => fields(one))));
  }
  if (!properties) return h('p', {}, ...type(schema, true));
  return h('dl', {}, ...Object.entries(properties).map(([name, one]) => field(name, one, required.includes(name))));
}

/** Something that is made when it is opened first. @param {(Node | string)[]} title @param {() => Node} fill */
export function closed(title, fill) {
  const box = h('details', {}, h('summary', {}, ...title));
  box.addEventListener('toggle', () => box.childElementCount === 1 && box.append(fill()));
  return box;
}

/** One field, or one parameter. @param {string} name @param {Schema} schema @param {boolean} required */
export function field(name, schema, required) {
  const about = [...type(schema, false), ...bounds(schema), required ? ` · ${text('docs_required')}` : ''];
  return h(
    'div',
    {},
    h('dt', {}, h('code', {}, name)),
    ' ',
    h('dd', { class: 'type' }, ...about),
    schema.description ? h('dd', {}, prose(schema.description)) : null,
  );
}

/**
 * The type as text and links.
 *
 * @param {Schema} schema
 * @param {boolean} isNamed whether the name of the schema is known already
 * @returns {(Node | string)[]}
 */
function type(schema, isNamed) {
  const given = resolved(schema);
  if (given.enum) return words(given.enum);
  if ('const' in given) return words([given.const]);
  if (schema.$ref && !isNamed) return [link(nameOf(schema))];
  const variants = given.oneOf || given.anyOf;
  if (variants) return joined(variants.map((/** @type {Schema} */ one) => type(one, false)));
  const names = /** @type {string[]} */ ([]).concat(given.type || 'object').map((name) => {
    if (name !== 'array') return [name];
    const of = type(given.items, false);
    return of.length > 1 ? ['(', ...of, ')[]'] : [...of, '[]'];
  });
  return [...joined(names), given.format && given.format !== 'int64' ? ` (${given.format})` : ''];
}

/** Alternatives. @param {(Node | string)[][]} parts */
const joined = (parts) => parts.flatMap((part, at) => (at ? [' | ', ...part] : part));

/** The allowed words. @param {any[]} all */
const words = (all) => joined(all.map((word) => [h('code', {}, JSON.stringify(word))]));

/** The bounds of a value, beside its type. @param {Schema} schema */
function bounds(schema) {
  const parts = [
    range(schema.minimum, schema.maximum),
    schema.exclusiveMinimum === undefined ? '' : `> ${schema.exclusiveMinimum}`,
    schema.not ? `≠ ${schema.not.const}` : '',
    range(schema.minLength, schema.maxLength, 'docs_characters'),
    range(schema.minItems, schema.maxItems, 'docs_entries'),
    schema.default === undefined ? '' : text('docs_default', { value: JSON.stringify(schema.default) }),
  ].filter(Boolean);
  const shown = parts.map((part) => ` · ${part}`);
  const { pattern } = schema;
  if (!pattern) return shown;
  const code = h('code', {}, pattern);
  const long = () => h('details', {}, h('summary', {}, text('docs_pattern')), code);
  return [...shown, ' · ', pattern.length < 60 ? code : long()];
}

/** @param {number | undefined} least @param {number | undefined} most @param {string} [name] the text around it */
function range(least, most, name) {
  if (least === undefined && most === undefined) return '';
  const both = least === most ? `${most}` : `${least} – ${most}`;
  const said = least === undefined ? `≤ ${most}` : most === undefined ? `≥ ${least}` : both;
  return name ? text(name, { range: said }) : said;
}

/**
 * An example of a value. A body has only the fields that it needs, or else two that are familiar.
 *
 * @param {Schema} schema
 * @param {boolean} isBody
 * @param {string} [name]
 * @returns {any}
 */
export function example(schema, isBody, name = '') {
  const given = { ...resolved(schema), ...schema };
  if ('const' in given) return given.const;
  if (given.enum) return given.enum[0];
  if (given.oneOf || given.anyOf) return example((given.oneOf || given.anyOf)[0], isBody, name);
  if (given.properties) {
    const names = Object.keys(given.properties);
    const needed = given.required || FAMILIAR.filter((one) => names.includes(one)).slice(0, 2);
    const shown = isBody ? needed : names;
    return Object.fromEntries(
      shown.map((/** @type {string} */ one) => [one, example(given.properties[one], isBody, one)]),
    );
  }
  if (name in SAMPLES) return SAMPLES[name];
  switch ([].concat(given.type)[0]) {
    case 'array':
      return [example(given.items, isBody)];
    case 'boolean':
      return false;
    case 'string':
      return given.format === 'date-time'
        ? '2026-01-25T10:30:00.000Z'
        : 'text'.padEnd(given.minLength, '0').slice(0, given.maxLength);
    case 'object':
      return {};
    default:
      return Math.max(1, given.minimum || 0);
  }
}
