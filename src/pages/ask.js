// @ts-check
/** Asks a person for some values, in a dialog. */
import { h, quantity, text } from './app.js';
import './taps.js';

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} value
 * @property {(value: string, values: { [name: string]: string }) => boolean} [isRight] Whether a value can be taken,
 *     with the others; any one else.
 * @property {string} [inputmode]
 * @property {number} [maxlength]
 */

/** A number as people of the page's language type it. @param {number} number @param {number} [decimals] */
export function asTyped(number, decimals) {
  return (decimals === undefined ? String(number) : number.toFixed(decimals)).replace('.', quantity(1.5)[1]);
}

/**
 * Resolves with the values, and with the button as `action`, or with `null`.
 *
 * @param {any} dialog
 * @param {string} title
 * @param {Field[]} fields
 * @param {object} [options]
 * @param {string[]} [options.actions] The texts of the buttons that take the values; the first is the main one.
 * @param {string} [options.extra] That of a button for which the values do not matter.
 * @param {(event: any) => void} [options.oninput] Sees each change of a value.
 * @returns {Promise<{ [name: string]: string } | null>}
 */
export function ask(dialog, title, fields, { actions = ['ok'], extra, oninput = () => {} } = {}) {
  return new Promise((resolve) => {
    /** @type {any[]} */
    const inputs = fields.map(({ name, value, inputmode = 'decimal', maxlength = 100 }) =>
      h('input', { name, value, inputmode, maxlength, autocomplete: 'off', enterkeyhint: 'done' }),
    );
    const values = () => Object.fromEntries(inputs.map((input) => [input.name, input.value.trim()]));
    /** @type {any} */
    let given = null;
    const end = (/** @type {any} */ value) => {
      given = value;
      dialog.close();
    };
    const submit = (/** @type {any} */ event) => {
      event.preventDefault();
      const all = values();
      const isWrong = (/** @type {any} */ _, /** @type {number} */ at) =>
        fields[at].isRight?.(all[fields[at].name], all) === false;
      inputs.forEach((input) => input.removeAttribute('aria-invalid'));
      const wrong = inputs.find(isWrong);
      if (!wrong) return end({ ...all, action: event.submitter ? event.submitter.value : actions[0] });
      wrong.setAttribute('aria-invalid', 'true');
      mark(wrong);
    };
    onClosed(dialog, () => resolve(given));
    fill(
      dialog,
      h('form', { method: 'dialog', onsubmit: submit, oninput },
        h('h2', {}, title),
        ...inputs.map((input, at) => h('label', {}, fields[at].label, input)),
        h('div', { class: 'row' },
          ...actions.map((action, at) => h('button', { value: action, class: at ? '' : 'main' }, text(action)))),
        h('div', { class: 'row' },
          extra ? h('button', { type: 'button', onclick: () => end({ action: extra }) }, text(extra)) : null,
          h('button', { type: 'button', onclick: () => end(null) }, text('back')))),
    );
    for (const first of inputs.slice(0, 1)) mark(first);
  });
}

/** Gives a field the focus, its text ready to be replaced. @param {any} input */
export function mark(input) {
  input.focus();
  input.select();
}

/** Calls `act` once the dialog is closed. @param {any} dialog @param {() => void} act */
export function onClosed(dialog, act) {
  const closed = () => {
    // The event comes late, perhaps when the dialog asks for the next thing already.
    if (dialog.open) return;
    dialog.removeEventListener('close', closed);
    act();
  };
  dialog.addEventListener('close', closed);
}

/** Shows the content in the dialog. @param {any} dialog @param {...Node} content */
export function fill(dialog, ...content) {
  dialog.replaceChildren(...content);
  if (!dialog.open) dialog.showModal();
  else dialog.querySelector('.main, button')?.focus(); // what had the focus is gone
}

/**
 * Tells something in the dialog that is open; a message of the page would be behind it.
 *
 * @param {any} dialog
 * @param {string} message
 */
export function warn(dialog, message) {
  let place = dialog.querySelector('[role=alert]');
  if (!place) dialog.firstElementChild.append((place = h('p', { role: 'alert' })));
  place.textContent = message;
}

/**
 * Lets a person choose one of several things. Resolves with it, or with `null`.
 *
 * @template T
 * @param {any} dialog
 * @param {string} title
 * @param {readonly T[]} things
 * @param {(thing: T) => (Node | string)[]} content of its button
 * @returns {Promise<T | null>}
 */
export function choose(dialog, title, things, content) {
  return new Promise((resolve) => {
    /** @type {T | null} */
    let chosen = null;
    const take = (/** @type {T} */ thing) => {
      chosen = thing;
      dialog.close();
    };
    const row = (/** @type {T} */ thing) =>
      h('li', {}, h('button', { type: 'button', onclick: () => take(thing) }, ...content(thing)));
    onClosed(dialog, () => resolve(chosen));
    fill(
      dialog,
      h('div', { class: 'body' },
        h('h2', {}, title),
        h('ul', {}, ...things.map(row)),
        h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
    );
  });
}
