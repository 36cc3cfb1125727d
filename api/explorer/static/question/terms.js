/**
 * The terms of a question, and the question with one more, one less, or one inverted. Pure.
 *
 * It reads the language as `api/query/language/` does, and is lenient: a question with a fault has
 * terms too. What it writes has the same meaning but for the change.
 */

import { PATH, QUOTED, valueText } from "./written.js";

/**
 * @typedef {object} Term what must match beside all other terms
 * @property {number} at index of its first character
 * @property {string} text as it stands in the question, with its minus
 * @property {boolean} isNot
 * @property {string} field as it is written, "" for text without a field
 * @property {string} operator `:`, `>`, ...; "" without a field
 * @property {string} value as it is written, with quotes or parentheses
 */

const HEAD = String.raw`(${PATH}|component|environment|email|message|id|occurred_at|any)(:|\s*(?:>=|<=|>|<)\s*)`;
const head = new RegExp(HEAD, "y");
const quotedOrWord = new RegExp(String.raw`${QUOTED}|[^\s()"]+`, "y");
const NOT = /(?:-|NOT(?=[\s("])\s*)/y;
const SPACE = /\s*/y;
const OPERATOR = /(AND|OR)(?=[\s()"]|$)/y;

/** One value of a field at a time, so that two of them are an OR. */
const SINGLE = ["component", "environment", "email", "id"];

/**
 * Return the terms of a question that must all match. One with OR outside of parentheses is one term.
 * @param {string} q
 * @returns {Term[]}
 */
export function termsOf(q) {
  /** @type {Term[]} */
  const terms = [];
  let at = skip(SPACE, q, 0);
  while (at < q.length) {
    const behind = skip(OPERATOR, q, at);
    if (behind > at && q.startsWith("OR", at)) return [wholeOf(q)];
    const term = behind > at ? null : termAt(q, at);
    if (term) terms.push(term);
    at = skip(
      SPACE,
      q,
      term ? at + term.text.length : Math.max(behind, at + Number(behind === at)),
    );
  }
  return terms;
}

/**
 * @param {RegExp} pattern
 * @param {string} q
 * @param {number} at
 */
function skip(pattern, q, at) {
  pattern.lastIndex = at;
  return pattern.test(q) ? pattern.lastIndex : at;
}

/**
 * @param {string} q
 * @returns {Term}
 */
function wholeOf(q) {
  const text = q.trim();
  const at = q.indexOf(text);
  return { at, text, isNot: false, field: "", operator: "", value: text };
}

/**
 * @param {string} q
 * @param {number} at
 * @returns {Term | null}
 */
function termAt(q, at) {
  let [begin, isNot] = [at, false];
  for (let end = skip(NOT, q, begin); end > begin; end = skip(NOT, q, begin)) {
    [begin, isNot] = [end, !isNot];
  }
  head.lastIndex = begin;
  const found = head.exec(q);
  const value = begin + (found?.[0].length ?? 0);
  const end = q[value] === "(" ? endOfGroup(q, value) : skip(quotedOrWord, q, value);
  if (end === begin) return null;
  return {
    at,
    text: q.slice(at, end),
    isNot,
    field: found?.[1] ?? "",
    operator: found?.[2]?.trim() ?? "",
    value: q.slice(value, end),
  };
}

/**
 * @param {string} q
 * @param {number} at of a parenthesis
 */
function endOfGroup(q, at) {
  let depth = 0;
  while (at < q.length) {
    depth += Number(q[at] === "(") - Number(q[at] === ")");
    at = q[at] === '"' ? skip(quotedOrWord, q, at) : at + 1;
    if (depth === 0) break;
  }
  return at;
}

/**
 * Return the question with one more term, `field:value`. Of a field that has one value only, such
 * as the component, a second value is an OR. The same term, excluded, gives way.
 * @param {string} q
 * @param {string} field as the language writes it: `component`, `data.a."b c"`
 * @param {unknown} value
 * @param {boolean} [isLoose] as `valueText`
 */
export function withTerm(q, field, value, isLoose) {
  const written = valueText(field, value, isLoose);
  const text = `${field}:${written}`;
  const terms = termsOf(q).filter((term) => term.text !== `-${text}`);
  const same = terms.find((term) => isPositive(term, field) && SINGLE.includes(field));
  if (terms.some((term) => term.text === text)) return joined(terms);
  if (!same) return joined(terms, text);
  const values = valuesWithin(same);
  if (values.includes(written)) return joined(terms);
  const either = `${field}:(${[...values, written].join(" OR ")})`;
  return joined(terms.map((term) => (term === same ? { ...term, text: either } : term)));
}

/**
 * Return the question without the events that have this value. A term for it gives way.
 * @param {string} q
 * @param {string} field
 * @param {unknown} value
 * @param {boolean} [isLoose] as `valueText`
 */
export function excluding(q, field, value, isLoose) {
  const text = `${field}:${valueText(field, value, isLoose)}`;
  const terms = termsOf(q).filter((term) => term.text !== text && term.text !== `-${text}`);
  return joined(terms, `-${text}`);
}

/**
 * @param {Term} term
 * @param {string} field
 */
function isPositive(term, field) {
  const isPlain = !term.value.startsWith("(") || valuesWithin(term).every((each) => each !== "");
  return term.field === field && !term.isNot && term.operator === ":" && isPlain;
}

/**
 * The values of `a` or `(a OR b)`; [""] for parentheses with anything else.
 * @param {Term} term
 */
function valuesWithin({ value }) {
  if (!value.startsWith("(")) return [value];
  const list = String.raw`\((?:${QUOTED}|[^\s()"]+)(?:\s+OR\s+(?:${QUOTED}|[^\s()"]+))*\)`;
  if (!new RegExp(`^${list}$`).test(value)) return [""];
  return (value.slice(1, -1).match(new RegExp(`${QUOTED}|[^\\s()"]+`, "g")) ?? []).filter(
    (each) => each !== "OR",
  );
}

/**
 * Return the question without a term of `termsOf`.
 * @param {string} q
 * @param {Term} term
 */
export const withoutTerm = (q, term) => joined(termsOf(q).filter((each) => each.at !== term.at));

/**
 * Return the question with a term turned into its opposite.
 * @param {string} q
 * @param {Term} term
 */
export function inverted(q, term) {
  const isWhole = term.field === "" && /\s/.test(term.value) && !/^[("]/.test(term.value);
  const bare = term.text.replace(/^(?:-|NOT(?=[\s("])\s*)+/, "");
  const text = term.isNot ? bare : `-${isWhole ? `(${bare})` : bare}`;
  return joined(termsOf(q).map((each) => (each.at === term.at ? { ...each, text } : each)));
}

/**
 * @param {Term[]} terms
 * @param {string[]} more
 */
export function joined(terms, ...more) {
  const all = [...terms.map((term) => term.text), ...more];
  const isOr = all.length > 1 && terms.length > 0 && terms[0]?.text === terms[0]?.value;
  if (isOr && termsOf(`${all[0]} x`).length === 1) all[0] = `(${all[0]})`;
  return all.join(" ");
}
