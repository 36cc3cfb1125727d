/** The columns of the table: their names, what they show, and how wide they are. Pure. */
import { keysOf, valueAt } from "../data_paths.js";
import { writeExact } from "../exact.js";
import { cut } from "../texts.js";

/**
 * @typedef {import("../exact.js").Json} Json
 * @typedef {{id: string, created_at: string, component: string, environment: string,
 *   message: string, email?: string | null, data?: Json, occurred_at?: string}} EventRow
 */

/** The columns that every event has a value for, or may have. `time` is `created_at`. */
export const FIELDS = ["time", "occurred_at", "component", "environment", "message", "email", "id"];
/** It takes the room that the others leave. */
export const FILLING = "message";
export const MIN_WIDTH = 48;
export const MAX_WIDTH = 1200;
const MESSAGE_WIDTH = 260; // less is no message
/** Which columns give way first, where there is no room for the message. */
const GIVES_WAY = ["email", "environment"];
const WIDTHS = /** @type {Record<string, number>} */ ({
  occurred_at: 220,
  component: 140,
  environment: 110,
  email: 210,
  id: 290,
});
const TIME_WIDTHS = { full: 200, short: 160, clock: 78 };
const DATA_WIDTH = 140;
const CELL_TEXT = 1000; // characters; no screen shows more in a line

/**
 * @typedef {{name: string, width: number}} Column
 * @typedef {{columns: Column[], hidden: string[],
 *   times: "full" | "short" | "clock"}} Layout `hidden`: what gave way; `times`: how long they are
 */

/**
 * Return the columns that are shown in so much room.
 * @param {readonly string[]} names
 * @param {Readonly<Record<string, number>>} widths that were chosen, in px
 * @param {number} room in px
 * @returns {Layout}
 */
export function layoutOf(names, widths, room) {
  const times = room < 640 ? "clock" : room < 900 ? "short" : "full";
  const known = names.filter((name) => FIELDS.includes(name) || keysOf(name));
  let columns = (known.length > 0 ? known : [FILLING]).map((name) => ({
    name,
    width: widthOf(name, widths, times),
  }));
  const hidden = [];
  for (const name of GIVES_WAY) {
    if (neededBy(columns) <= room) break;
    if (columns.some((column) => column.name === name)) hidden.push(name);
    columns = columns.filter((column) => column.name !== name);
  }
  return { columns, hidden, times };
}

/**
 * @param {string} name
 * @param {Readonly<Record<string, number>>} widths
 * @param {Layout["times"]} times
 */
function widthOf(name, widths, times) {
  const chosen = widths[name];
  if (chosen) return clampWidth(chosen);
  if (name === "time") return TIME_WIDTHS[times];
  if (name === "component" && times === "clock") return 100;
  return WIDTHS[name] ?? DATA_WIDTH;
}

/** @param {Column[]} columns */
function neededBy(columns) {
  return columns.reduce(
    (sum, { name, width }) => sum + (name === FILLING ? MESSAGE_WIDTH : width),
    0,
  );
}

/** @param {number} width */
export const clampWidth = (width) => Math.round(Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, width)));

/**
 * Return the value of `grid-template-columns`.
 * @param {Layout} layout
 * @param {Readonly<Record<string, number>>} [moving] widths, while an edge is dragged
 */
export function templateOf(layout, moving = {}) {
  const tracks = layout.columns.map(({ name, width }) =>
    name === FILLING ? `minmax(${leastMessage(layout)}px, 1fr)` : `${moving[name] ?? width}px`,
  );
  const isFilled = layout.columns.some(({ name }) => name === FILLING);
  return [...tracks, ...(isFilled ? [] : ["1fr"])].join(" ");
}

/**
 * Return the width below which the table scrolls sideways, in px.
 * @param {Layout} layout
 */
export function widthOfAll(layout) {
  const widths = layout.columns.map(({ name, width }) =>
    name === FILLING ? leastMessage(layout) : width,
  );
  return widths.reduce((sum, width) => sum + width, 0);
}

/** @param {Pick<Layout, "times">} layout */
const leastMessage = ({ times }) => (times === "clock" ? 120 : MESSAGE_WIDTH);

/**
 * Return what reads the text of an event in a column: "" if it has none. Times are as they were sent.
 * @param {string} name
 * @returns {(event: EventRow) => string}
 */
export function readerOf(name) {
  if (name === "time") return (event) => event.created_at;
  const keys = keysOf(name);
  if (keys) return (event) => columnText(valueAt(event.data, keys));
  return (event) => String(event[/** @type {keyof EventRow} */ (name)] ?? "");
}

/**
 * Return the text of a value in `data`.
 * @param {Json | undefined} value
 */
export function columnText(value) {
  if (value === undefined) return "";
  return typeof value === "string" ? value : writeExact(value);
}

/**
 * Return as much of a text as a cell can show.
 * @param {string} text
 */
export const cellText = (text) => cut(text, CELL_TEXT);

/**
 * With a column, or without it. A field is put where it usually stands; a path in `data` at the end.
 * @param {readonly string[]} columns
 * @param {string} name
 */
export function toggled(columns, name) {
  if (columns.includes(name)) return columns.filter((other) => other !== name);
  const rank = (/** @type {string} */ one) =>
    FIELDS.includes(one) ? FIELDS.indexOf(one) : Infinity;
  const at = columns.findIndex((other) => rank(other) > rank(name));
  return at < 0 ? [...columns, name] : columns.toSpliced(at, 0, name);
}

/**
 * With a column in the place of another one; those between move up.
 * @param {readonly string[]} columns
 * @param {string} name
 * @param {number} to
 */
export function movedTo(columns, name, to) {
  const from = columns.indexOf(name);
  if (from < 0 || to < 0 || to >= columns.length) return [...columns];
  return columns.toSpliced(from, 1).toSpliced(to, 0, name);
}
