// @ts-check
/** Scanners that type: a code ends with Enter or Tab, wherever the focus is. */

/** A scanner types faster than people: at most so many milliseconds between two characters. */
const TYPED_WITHIN = 50;
const LENGTH_MIN = 4;
/** A code that comes again within this time was scanned once. */
const REPEATED_WITHIN = 300;

/**
 * Whether two codes name the same article: an EAN-13 that begins with 0 is the UPC-A without it.
 *
 * @param {string | null} one
 * @param {string} other
 */
export function sameCode(one, other) {
  const bare = (/** @type {string} */ code) => (code.length === 13 ? code.replace(/^0/, '') : code);
  return !!one && bare(one) === bare(other);
}

/**
 * Calls `listener` with each scanned code.
 *
 * @param {(code: string) => void} listener
 * @returns {() => void} ends it
 */
export function onScan(listener) {
  let code = '';
  let last = 0;
  let told = '';
  let toldAt = 0;
  /** What was in the field before the code. */
  let before = { field: /** @type {any} */ (null), value: '' };
  /** @param {KeyboardEvent} event */
  const key = (event) => {
    const now = event.timeStamp;
    if (now - last > TYPED_WITHIN) code = '';
    last = now;
    if (event.key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey) {
      // A blank within a code must not press the button that has the focus.
      if (code && event.target instanceof HTMLButtonElement) event.preventDefault();
      const field = /** @type {any} */ (event.target);
      if (!code) before = { field, value: field.value };
      code += event.key;
      return;
    }
    if (event.key !== 'Enter' && event.key !== 'Tab') return;
    // eslint-disable-next-line no-control-regex
    const scanned = code.replace(/[\u0000-\u001f\u007f]/g, '').trim();
    code = '';
    if (scanned.length < LENGTH_MIN) return;
    event.preventDefault();
    event.stopPropagation();
    const field = /** @type {HTMLInputElement} */ (event.target);
    // The characters landed in a field that was not meant, perhaps in place of what was selected there.
    if (field instanceof HTMLInputElement) {
      field.value = field === before.field ? before.value : field.value.replace(scanned, '');
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
    if (scanned === told && now - toldAt < REPEATED_WITHIN) return;
    told = scanned;
    toldAt = now;
    listener(scanned);
  };
  addEventListener('keydown', key, true);
  return () => removeEventListener('keydown', key, true);
}
