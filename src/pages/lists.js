// @ts-check
/**
 * Lists that are read page by page, of rows that are read or open to be changed.
 *
 * @module
 */
import { client, h, show, text } from './app.js';

/** How long a button that removes something waits for its second press, in milliseconds. */
const SURE = 5000;
/** The rows of a page of the server, unless another number is asked for. */
const PAGE = 50;
/** From so many rows on, a list can be searched. */
const MANY = 8;

/** @typedef {(Node | string | null)[]} Parts what a row shows */
/** @typedef {{ element: HTMLElement, update: (row: any) => void }} Row */

/**
 * The body of a successful reply, or `null`: then it has told why there is none.
 *
 * @param {string} method
 * @param {string} path
 * @param {any} [given]
 */
export async function ask(method, path, given) {
  const reply = await client.request(method, path, given).catch(() => null);
  if (reply && reply.status < 300) return reply.body || {};
  if (reply && reply.status === 401) location.href = '/?next=/admin';
  /** @type {any} */ (document.querySelector('shop-toast')).say(reply ? problem(reply.body) : text('not_reached'));
  return null;
}

/** A problem for people. @param {any} body */
function problem(body) {
  const errors = (body && body.errors) || [];
  const fields = errors.map((/** @type {any} */ one) => `${one.field} ${one.message}`);
  return [body && body.detail, ...fields].filter(Boolean).join(' · ');
}

/**
 * Reads a list into the rows of a section. Each call reads the first page again; what was read further down stays, and
 * somebody who reads there keeps his place.
 *
 * @param {string} id of the section
 * @param {string} path
 * @param {() => Row} create
 * @param {() => string} [filter] parameters of the query
 */
export function list(id, path, create, filter = () => '') {
  /** @type {any[]} */
  let rows = [];
  /** @type {number | null} */
  let after = null;
  let filtered = '';
  /** How many rows somebody has asked for; older ones go when new ones come. */
  let room = PAGE;
  /** @type {WeakMap<Element, (row: any) => void>} */
  const updates = new WeakMap();
  const section = /** @type {Element} */ (document.getElementById(id));
  const [place, none, more, find] = ['.rows', '.none', '.more', '.find'].map(
    (part) => /** @type {HTMLElement | null} */ (section.querySelector(part)),
  );
  const search = () => {
    if (!find || !place) return;
    const words = find.getElementsByTagName('input')[0].value.toLowerCase().split(' ');
    for (const row of /** @type {HTMLCollectionOf<HTMLElement>} */ (place.children)) {
      const told = ((row.querySelector('summary') || row).textContent || '').toLowerCase();
      row.hidden = !words.every((word) => told.includes(word));
    }
    find.hidden = rows.length < MANY;
  };
  if (find) find.addEventListener('input', search);
  const draw = () => {
    const add = () => {
      const row = create();
      updates.set(row.element, row.update);
      return row.element;
    };
    const update = (/** @type {Element} */ element, /** @type {any} */ row) => {
      const known = updates.get(element);
      if (known) known(row);
    };
    show(/** @type {Element} */ (place), rows, (row) => row.id, add, update);
    if (none) none.hidden = rows.length > 0;
    if (more) more.hidden = after === null;
    search();
  };
  const read = async (/** @type {string} */ query) => {
    const { status, body } = await client.request('GET', query ? `${path}?${query}` : path);
    if (status !== 200) throw new Error(problem(body));
    return body;
  };
  if (more) {
    more.addEventListener('click', async () => {
      const wanted = filtered;
      const body = await ask('GET', `${path}?${wanted}after=${after}`);
      if (!body || wanted !== filtered) return;
      after = body.next;
      room = rows.length + body.data.length;
      rows = [...rows, ...body.data];
      draw();
    });
  }
  return async () => {
    const wanted = filter();
    const isOther = wanted !== filtered;
    filtered = wanted;
    const body = await read(wanted);
    if (wanted !== filtered) return;
    const isNewer = !isOther && rows.length > 0 && body.data.length > 0 && body.data[0].id > rows[0].id;
    if (isNewer && place && place.getBoundingClientRect().top < 0) return;
    const last = body.data.length ? body.data[body.data.length - 1].id : 0;
    // Between the page and what was read before there may be others, unless the page reaches that far.
    const isJoined = !isOther && body.next !== null && rows.length > 0 && rows[0].id >= last;
    const older = isJoined ? rows.filter((row) => row.id < last) : [];
    if (isOther) room = PAGE;
    if (!older.length) after = body.next;
    rows = [...body.data, ...older];
    const most = Math.max(room, body.data.length);
    if (rows.length > most) {
      rows.length = most;
      after = rows[most - 1].id;
    }
    draw();
  };
}

/** Shows these parts, unless they are shown already. @param {Element} element @param {Parts} parts */
export function fill(element, parts) {
  const shown = h('div', {}, ...parts.flatMap((part) => (part === null ? [] : [part, ' '])));
  if (shown.textContent !== element.textContent) element.replaceChildren(...shown.childNodes);
}

/** A row to read. @param {(row: any) => Parts} parts @returns {() => Row} */
export function readable(parts) {
  return () => {
    const element = h('li');
    return { element, update: (row) => fill(element, parts(row)) };
  };
}

/**
 * A row that opens to be changed. Its fields have the names of the row's members.
 *
 * @param {string} path of the list
 * @param {(row: any) => Parts} summary
 * @param {() => HTMLElement[]} fields
 * @param {() => void} changed
 * @returns {() => Row}
 */
export function editable(path, summary, fields, changed) {
  return () => {
    let id = 0;
    const remove = sure(text('remove'), async () => (await ask('DELETE', `${path}/${id}`)) && changed());
    const form = h('form', {}, ...fields(), h('button', { class: 'main' }, text('save')), remove);
    const head = h('summary');
    const details = h('details', {}, head, form);
    /** @type {HTMLInputElement[]} */
    const inputs = [...form.elements].filter((input) => input.name);
    form.addEventListener('submit', async (/** @type {Event} */ event) => {
      event.preventDefault();
      const given = inputs.map((input) => [input.name, input.type === 'checkbox' ? input.checked : input.value]);
      // A field that is left empty stays as it is.
      const patch = Object.fromEntries(given.filter(([, value]) => value !== ''));
      if (!(await ask('PATCH', `${path}/${id}`, patch))) return;
      details.open = false;
      head.focus();
      changed();
    });
    const update = (/** @type {any} */ row) => {
      id = row.id;
      fill(head, summary(row));
      // What somebody types stays.
      if (details.open) return;
      for (const input of inputs) {
        if (input.type === 'checkbox') input.checked = row[input.name];
        else input.value = row[input.name] || '';
      }
    };
    return { element: h('li', {}, details), update };
  };
}

/** A button that acts only when it is pressed twice. @param {string} label @param {() => void} act */
function sure(label, act) {
  let isArmed = false;
  const button = h('button', { type: 'button', class: 'danger' }, label);
  const arm = (/** @type {boolean} */ armed) => {
    isArmed = armed;
    button.textContent = armed ? text('really', { what: label }) : label;
  };
  button.addEventListener('click', () => {
    if (isArmed) act();
    else setTimeout(arm, SURE, false);
    arm(!isArmed);
  });
  return button;
}
