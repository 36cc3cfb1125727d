/** What may be completed where the caret stands. Pure. */
import { PATH, QUOTED, fieldOf, valueText } from "./written.js";

/**
 * @typedef {object} Place what is being written, up to the caret
 * @property {"field" | "value"} kind
 * @property {string} field whose value it is, as it is written; "" for a field
 * @property {string} prefix what is written of it, without quotes
 * @property {number} begin where it begins; it ends at the caret
 *
 * @typedef {{text: string, hint: string, count?: number}} Option `text` replaces what is written
 */

const VALUE = new RegExp(
  String.raw`(?:^|[\s(]|-)(component|environment|email|${PATH}):(?:\((?:[^()"]|${QUOTED})*\s|\()?("(?:[^"\\]|\\.)*|[^\s()"]*)$`,
);
const FIELD = /(?:^|[\s(])-?((?:[\p{L}_][^\s()":<>=]*)?)$/u;

/** @type {Option[]} */
const FIELD_NAMES = [
  { text: "component:", hint: "name, or pay* for names that begin so" },
  { text: "environment:", hint: "name, or prod*" },
  { text: "email:", hint: "address; email:* for any" },
  { text: "message:", hint: "contains, as text without a field" },
  { text: "data.", hint: "a value at a path" },
  { text: "occurred_at>", hint: "-24h, 2026-04-16, an instant" },
  { text: "any:", hint: "contains, in any field" },
  { text: "id:", hint: "of one event" },
];

/**
 * @param {string} text
 * @param {number} caret
 * @returns {Place | null}
 */
export function placeAt(text, caret) {
  const before = text.slice(0, caret);
  const value = VALUE.exec(before);
  if (value) {
    const [, field = "", written = ""] = value;
    const prefix = written.replace(/^"/, "").replace(/\\(["\\])/g, "$1");
    return { kind: "value", field, prefix, begin: caret - written.length };
  }
  if ((before.match(/(?<!\\)"/g) ?? []).length % 2 === 1) return null;
  const [, prefix = null] = FIELD.exec(before) ?? [];
  return prefix === null
    ? null
    : { kind: "field", field: "", prefix, begin: caret - prefix.length };
}

/**
 * The fields that fit; known names and paths in `data` that contain what is written.
 * @param {string} prefix
 * @param {Record<string, {value: string, count: number}[]>} known values of each field
 * @returns {Option[]}
 */
export function fieldOptions(prefix, known) {
  const fits = (/** @type {Option} */ { text }) => startsSo(text, prefix);
  const paths = (known["data"] ?? []).map(({ value, count }) => ({
    text: `${fieldOf(value)}:`,
    hint: "",
    count,
  }));
  const names = ["component", "environment"].flatMap((field) =>
    (known[field] ?? []).map(({ value, count }) => ({ field, value, count })),
  );
  if (prefix === "") return FIELD_NAMES;
  return [
    ...FIELD_NAMES.filter(fits),
    ...paths
      .filter(({ text }) => contains(text, prefix))
      .sort((a, b) => Number(fits(b)) - Number(fits(a))),
    ...names
      .filter(({ value }) => startsSo(value, prefix))
      .map(({ field, value, count }) => ({
        text: `${field}:${valueText(field, value)} `,
        hint: "",
        count,
      })),
  ];
}

/**
 * @param {Place} place
 * @param {{value: string, count: number}[]} values
 * @returns {Option[]}
 */
export function valueOptions({ field, prefix }, values) {
  return values
    .filter(({ value }) => contains(value, prefix))
    .sort(
      (one, other) => Number(startsSo(other.value, prefix)) - Number(startsSo(one.value, prefix)),
    )
    .map(({ value, count }) => ({ text: `${valueText(field, value, true)} `, hint: "", count }));
}

/**
 * @param {string} text
 * @param {string} prefix
 */
const startsSo = (text, prefix) => text.toLowerCase().startsWith(prefix.toLowerCase());

/**
 * @param {string} text
 * @param {string} part
 */
const contains = (text, part) => text.toLowerCase().includes(part.toLowerCase());
