// @ts-check
/** Asks a person for some values, in a dialog. */
import { h, text } from './app.js';

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {string} value
 * @property {(value: string) => boolean} [isRight] Whether a value can be taken; any one else.
 * @property {string} [inputmode]
 */

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
    const inputs = fields.map(({ name, value, inputmode = 'decimal' }) =>
      h('input', { name, value, inputmode, autocomplete: 'off', enterkeyhint: 'done' }),
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
      const wrong = inputs.find((input, at) => fields[at].isRight?.(input.value.trim()) === false);
      if (!wrong) return end({ ...values(), action: event.submitter ? event.submitter.value : actions[0] });
      wrong.setAttribute('aria-invalid', 'true');
      wrong.select();
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
    if (inputs.length > 0) inputs[0].select();
  });
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
    onClosed(dialog, () => resolve(chosen));
    fill(
      dialog,
      h('div', { class: 'body' },
        h('h2', {}, title),
        h('ul', {}, ...things.map((one) => h('li', {}, h('button', { type: 'button', onclick: () => take(one) }, ...content(one))))),
        h('button', { type: 'button', onclick: () => dialog.close() }, text('back'))),
    );
  });
}
