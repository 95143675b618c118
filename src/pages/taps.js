// @ts-check
/**
 * Touches that come twice. What the first one removes or covers leaves something else under the finger, and a key that
 * is held repeats itself: a second tap on "Cash" must not pay the rest, too.
 */

/** A double tap takes at most so many milliseconds, and stays within so many pixels. */
const WITHIN = 300;
const NEAR = 24;
const TOUCHED = 'label, button, a, select, input';

/** The last tap, and what it met. @type {{ at: number, x: number, y: number, met: any }} */
let last = { at: -Infinity, x: 0, y: 0, met: null };

/** @param {Event} event */
function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

addEventListener(
  'click',
  (event) => {
    const { timeStamp: at, clientX: x, clientY: y, detail, target } = event;
    if (detail === 0) return; // a key, or a program
    const met = /** @type {Element} */ (target).closest(TOUCHED) || target;
    const isSecond = at - last.at < WITHIN && Math.hypot(x - last.x, y - last.y) < NEAR;
    const isMeant = !isSecond || met === last.met;
    last = { at, x, y, met: isMeant ? met : last.met };
    if (!isMeant) stop(event);
  },
  true,
);
addEventListener(
  'keydown',
  (event) => {
    last.at = -Infinity; // what was typed between two taps parts them
    if (event.repeat && event.key === 'Enter') stop(event);
  },
  true,
);
