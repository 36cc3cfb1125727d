/** Names and values as the query language writes them. Pure. */

/** A text in quotes, as a pattern; the last quote may be missing. */
export const QUOTED = String.raw`"(?:[^"\\]|\\[^])*(?:"|$)`;

/** A path in `data`, as a pattern. */
export const PATH = String.raw`data(?:\.(?:${QUOTED}|[^\s()":<>=!.]*))+`;

/**
 * Write a text so that the language reads it back as it is: in quotes if it must be.
 * @param {string} text
 */
export function quoted(text) {
  const isBare = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_.@/+-]*[\p{L}\p{N}_/])?$/u.test(text);
  if (isBare && !/^(?:AND|OR|NOT)$|\.\./.test(text)) return text;
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/**
 * Write a value behind a field.
 * @param {string} field
 * @param {unknown} value of `data` as in JSON: the text "5" is not the number 5
 * @param {boolean} [isLoose] as `/events/facets` counts values: the text "5" is the number 5
 */
export function valueText(field, value, isLoose = false) {
  if (typeof value !== "string") return String(value); // an ExactNumber keeps its digits
  const isJson = /^(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$/.test(value);
  if (!isJson || !field.startsWith("data.")) return quoted(value);
  return isLoose ? value : JSON.stringify(value);
}

/**
 * Return a path in `data` as the language writes it.
 * @param {string[]} keys
 */
export const pathOf = (keys) => ["data", ...keys.map(keyText)].join(".");

/** @param {string} key */
const keyText = (key) =>
  /^[^\s()":<>=!.~*[\]\\]+$/.test(key) ? key : `"${key.replace(/["\\]/g, "\\$&")}"`;

/**
 * Return the field of an answer of `/events/facets` as the language writes it.
 * @param {string} name `component`, `data.a.b c`
 */
export const fieldOf = (name) =>
  name.startsWith("data.") ? pathOf(name.slice("data.".length).split(".")) : name;

/**
 * Return the name that `/events/facets` has for a field of the language: the inverse of `fieldOf`.
 * @param {string} field
 */
export const facetOf = (field) =>
  field.replace(/"((?:[^"\\]|\\.)*)"/g, (_, key) => key.replace(/\\(["\\])/g, "$1"));
