/** Which values of a field a question names. Pure. */
import { termsOf, withoutTerm } from "../question/terms.js";
import { quoted } from "../question/written.js";

/** @typedef {import("../question/terms.js").Term} Term */

const WRITTEN_VALUE = String.raw`(?:"(?:[^"\\]|\\[^])*"|[^\s()"]+)`;
const VALUES = new RegExp(WRITTEN_VALUE, "g");
const ALTERNATIVES = new RegExp(String.raw`^\(${WRITTEN_VALUE}(?:\s+OR\s+${WRITTEN_VALUE})*\)$`);

/**
 * @param {string} q
 * @param {string} field as the language writes it
 * @returns {{only: string[], not: string[]}} the values of which one must match, and those excluded
 */
export function chosenOf(q, field) {
  const terms = termsOf(q).filter((term) => isAbout(term, field));
  const values = (/** @type {boolean} */ isNot) =>
    terms.filter((term) => term.isNot === isNot).flatMap(valuesIn);
  return { only: values(false), not: values(true) };
}

/**
 * Return the question without a value that it names.
 * @param {string} q
 * @param {string} field
 * @param {string} value
 */
export function released(q, field, value) {
  const term = termsOf(q).find((one) => isAbout(one, field) && valuesIn(one).includes(value));
  if (!term) return q;
  const left = valuesIn(term).filter((other) => other !== value);
  if (left.length === 0) return withoutTerm(q, term);
  const written = left.map(quoted);
  const values = written.length > 1 ? `(${written.join(" OR ")})` : written[0];
  const text = `${term.isNot ? "-" : ""}${field}:${values}`;
  return q.slice(0, term.at) + text + q.slice(term.at + term.text.length);
}

/**
 * @param {Term} term
 * @param {string} field
 */
const isAbout = (term, field) => term.field === field && term.operator === ":";

/**
 * Return the values of `a` or `(a OR b)`; none of what says more.
 * @param {Term} term
 */
function valuesIn({ value }) {
  if (value.startsWith("(") && !ALTERNATIVES.test(value)) return [];
  const all = value.match(VALUES) ?? [];
  return all.filter((one) => one !== "OR" && one !== "*").map(unquoted);
}

/** @param {string} written */
function unquoted(written) {
  return written.startsWith('"') ? written.slice(1, -1).replace(/\\(["\\])/g, "$1") : written;
}
