/** Finding a text in rows that are loaded, whether they are in the document or not. Pure. */

/**
 * @typedef {{text: string, isHit: boolean}} Piece of a text that is shown
 */

const AT_ONCE = 200; // hits that are marked in one text
const BEFORE_HIT = 24; // characters shown before a hit that would be out of sight

/**
 * Return the pattern of a text in any case; null if nothing is looked for.
 * @param {string} wanted
 */
export function patternOf(wanted) {
  return wanted === "" ? null : new RegExp(wanted.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu");
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 */
export function has(text, pattern) {
  pattern.lastIndex = 0;
  return pattern.test(text);
}

/**
 * Return the text in pieces, those that were looked for apart.
 * @param {string} text
 * @param {RegExp | null} pattern
 * @returns {Piece[]}
 */
export function piecesOf(text, pattern) {
  if (!pattern) return text ? [{ text, isHit: false }] : [];
  const pieces = [];
  let end = 0;
  for (const { 0: hit, index } of hitsOf(text, pattern)) {
    if (index > end) pieces.push({ text: text.slice(end, index), isHit: false });
    pieces.push({ text: hit, isHit: true });
    end = index + hit.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), isHit: false });
  return pieces;
}

/**
 * @param {string} text
 * @param {RegExp} pattern
 */
function* hitsOf(text, pattern) {
  let count = 0;
  pattern.lastIndex = 0;
  for (const hit of text.matchAll(pattern)) {
    if (count++ === AT_ONCE) return;
    yield hit;
  }
}

/**
 * Return the text from shortly before its first hit on, if that is not among the first characters.
 * @param {string} text
 * @param {RegExp} pattern
 * @param {number} seen how many characters are surely seen
 */
export function fromHit(text, pattern, seen) {
  pattern.lastIndex = 0;
  const at = pattern.exec(text)?.index ?? 0;
  if (at <= seen) return text;
  const begin = at - BEFORE_HIT;
  const isPair = (text.charCodeAt(begin) & 0xfc00) === 0xdc00;
  return `…${text.slice(isPair ? begin + 1 : begin)}`;
}

/**
 * Return the hit after or before a row: hits and rows are counted from 0, `hits` are ascending.
 * @param {readonly number[]} hits rows
 * @param {number} row -1: none
 * @param {1 | -1} step
 * @returns {number | null} a row
 */
export function hitBeside(hits, row, step) {
  if (hits.length === 0) return null;
  if (step > 0) return hits.find((hit) => hit > row) ?? hits[0] ?? null;
  const before = row < 0 ? undefined : hits.findLast((hit) => hit < row);
  return before ?? hits.at(-1) ?? null;
}
