/**
 * JSON with every digit. `JSON.parse` rounds numbers to 64 bits: 12345678901234567890 and 5.0 would
 * be shown as other numbers than were stored.
 */

/** A number that JavaScript has no equal of, or writes in another way. */
export class ExactNumber {
  /** @param {string} source as it stands in the JSON */
  constructor(source) {
    this.source = source;
  }

  toString() {
    return this.source;
  }
}

/**
 * @typedef {null | boolean | number | string | ExactNumber | Json[] | {[key: string]: Json}} Json
 */

// A text in quotes, or a number: numbers in texts are passed over with their text.
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MARK = "\0"; // no event has this character
const MARKED = /"\\u0000([^"]*)"/g;

/**
 * @param {string} text
 * @returns {any} the value; numbers that would change are `ExactNumber`
 * @throws {SyntaxError}
 */
export function parseExact(text) {
  let found = false;
  const marked = text.replace(TOKENS, (token) => {
    if (token[0] === '"' || String(Number(token)) === token) return token;
    found = true;
    return `"\\u0000${token}"`;
  });
  return found ? JSON.parse(marked, revive) : JSON.parse(text);
}

/**
 * @param {string} _key
 * @param {unknown} value
 */
function revive(_key, value) {
  return typeof value === "string" && value[0] === MARK ? new ExactNumber(value.slice(1)) : value;
}

/**
 * Return the value as JSON, with the digits that it was read with.
 * @param {unknown} value
 * @param {number} [indent]
 */
export function writeExact(value, indent = 0) {
  const marked = JSON.stringify(
    value,
    (_key, one) => (one instanceof ExactNumber ? MARK + one.source : one),
    indent,
  );
  return marked.replace(MARKED, "$1");
}
