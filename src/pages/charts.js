// @ts-check
/**
 * Charts of what was, as SVG.
 *
 * @module
 */
import { h, text } from './app.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [720, 100];

/**
 * One chart. The last line of `lines` lies on top.
 *
 * @typedef {object} Course
 * @property {number[][]} lines the values of each line, oldest first
 * @property {number} length how many values the chart has room for
 * @property {string} since the time of the first of them
 * @property {number} [bound] the value that the lines stay below, up to which the chart reaches
 * @property {string} now the newest value, for people
 */

/**
 * A chart of this many lines, and how it is brought up to date.
 *
 * @param {string} label
 * @param {number} count
 * @param {(value: number) => string} written a value, for people
 */
export function chart(label, count, written) {
  const lines = Array.from({ length: count }, (_, at) => svg('polyline', { class: `line line-${at}` }));
  const area = svg('polygon', { class: 'area' });
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
  picture.append(area, ...lines);
  const [now, most, least, since] = [h('output'), h('span'), h('span', {}, '0'), h('span')];
  const element = h(
    'figure',
    {},
    h('figcaption', {}, label, ' ', now),
    h('div', { class: 'scale', 'aria-hidden': 'true' }, most, least),
    picture,
    h('div', { class: 'times', 'aria-hidden': 'true' }, since, h('span', {}, text('now'))),
  );
  return {
    element,
    /** @param {Course} course */
    show(course) {
      const values = course.lines.flat();
      const highest = values.reduce((one, other) => Math.max(one, other), 0);
      const top = course.bound || round(highest);
      lines.forEach((line, at) => line.setAttribute('points', points(course.lines[at], course.length, top)));
      const last = points(course.lines[count - 1], course.length, top);
      const first = course.length - course.lines[count - 1].length;
      area.setAttribute('points', last && `${x(first, course.length)},${HEIGHT} ${last} ${WIDTH},${HEIGHT}`);
      change(now, course.now);
      change(since, course.since);
      change(most, written(top));
      const told = { now: course.now, most: written(highest) };
      picture.setAttribute('aria-label', `${label}: ${text('chart_about', told)}`);
    },
  };
}

/** @param {number} at @param {number} length */
const x = (at, length) => Math.round((at / (length - 1)) * WIDTH * 10) / 10;
/** @param {number} value @param {number} top */
const y = (value, top) => Math.round((1 - value / top) * HEIGHT * 10) / 10;

/**
 * The places of the values; the newest is at the right.
 *
 * @param {number[]} values
 * @param {number} length
 * @param {number} top
 */
function points(values, length, top) {
  const first = length - values.length;
  return values.map((value, at) => `${x(first + at, length)},${y(value, top)}`).join(' ');
}

/** The next of 1, 2, 5, 10, 20 and so on. @param {number} highest */
function round(highest) {
  const power = 10 ** Math.floor(Math.log10(Math.max(highest, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= highest) || 1;
}

/** @param {string} tag @param {{ [name: string]: string | number }} attributes */
function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** @param {Element} element @param {string} told */
function change(element, told) {
  if (element.textContent !== told) element.textContent = told;
}
