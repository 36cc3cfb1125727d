/** Where a question can't be read, from the problem document of an answer. Pure. */

/**
 * @typedef {object} Mark
 * @property {number} begin index in the question
 * @property {number} end
 * @property {string} text what is wrong
 * @property {string} meant what the marked text may be replaced by, "" if nobody knows
 */

/**
 * @param {string} q
 * @param {import("../service.js").Fault[]} errors
 * @returns {Mark[]} in the order of the question
 */
export function marksOf(q, errors) {
  const own = errors.filter(({ parameter, character }) => parameter === "q" && character);
  return own
    .map(({ character = 1, detail }) => markOf(q, character, detail))
    .sort((one, other) => one.begin - other.begin);
}

/**
 * @param {string} q
 * @param {number} character from 1; characters beyond 16 bits count as one
 * @param {string} detail
 * @returns {Mark}
 */
function markOf(q, character, detail) {
  const begin = [...q].slice(0, character - 1).join("").length;
  const text = detail.replace(/^q, (?:line \d+, )?character \d+: /, "");
  const [, meant = ""] = /did you mean (\S+)\?/.exec(text) ?? [];
  const isTerm = /[:<>=]/.test(meant);
  const [marked = ""] = (isTerm ? /^[^\s()]+/ : /^[^\s()":<>=.]+/).exec(q.slice(begin)) ?? [];
  const isPlace = meant.includes("<path>");
  return { begin, end: begin + (marked.length || 1), text, meant: isPlace ? "" : meant };
}
