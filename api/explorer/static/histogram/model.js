/** What the bars show, in the numbers that are drawn. Pure. */
import { sumOf } from "./statistics.js";

/**
 * @typedef {import("./statistics.js").Stats} Stats
 * @typedef {{name: string, value: string | null, count: number, color: number}} Group `value` is
 *   null for what has no value of its own; `color` is its number in the style sheet, 0 for the rest
 *
 * @typedef {object} Model times are in seconds since 1970
 * @property {number} from
 * @property {number} to
 * @property {number} counted since when the bars are known
 * @property {string} interval
 * @property {number[]} starts of the bars; the first one as if its interval was whole
 * @property {number[]} counts
 * @property {Group[]} groups from the bottom to the top; empty if nothing is grouped
 * @property {number[][]} parts of each group, its count in each bar
 * @property {(number | null)[]} ghost the counts of the period before; [] if they are not known
 */

const MAX_COLORS = 7;
const SNAP_SECONDS = /** @type {Record<string, number>} */ ({
  minute: 60,
  hour: 300,
  day: 3600,
  week: 86_400,
  month: 86_400,
});

/** @param {string} instant */
const seconds = (instant) => Date.parse(instant) / 1000;

/**
 * @param {Stats} answer
 * @param {Stats | null} before of the period before, with bars of the same interval
 * @param {number} [live] how many of the last bars are not of the period
 * @returns {Model}
 */
export function modelOf(answer, before, live = 0) {
  const starts = answer.bars.map((bar) => seconds(bar.at));
  const [first, second, third] = starts;
  if (first !== undefined && second !== undefined && third !== undefined) {
    starts[0] = Math.min(first, second - (third - second));
  }
  const groups = groupsOf(answer);
  return {
    from: seconds(answer.from),
    to: seconds(answer.to),
    counted: seconds(answer.covered.from),
    interval: answer.interval,
    starts,
    counts: answer.bars.map((bar) => bar.count),
    groups,
    parts: groups.map((group) => answer.bars.map((bar) => partOf(group, bar, groups))),
    ghost: before ? ghostOf(answer, before, live) : [],
  };
}

/**
 * The most frequent values, then the rest as one group, then events without a value.
 * @param {Stats} answer
 * @returns {Group[]}
 */
function groupsOf(answer) {
  const all = answer.bars.flatMap((bar) => bar.groups ?? []);
  if (all.length === 0) return [];
  const { values, other, missing } = sumOf(all);
  const rest = values.slice(MAX_COLORS).reduce((sum, { count }) => sum + count, other);
  return [
    ...values.slice(0, MAX_COLORS).map((each, n) => ({ ...each, name: each.value, color: n + 1 })),
    { name: "other", value: null, count: rest, color: 0 },
    { name: "none", value: null, count: missing, color: 0 },
  ].filter(({ count }) => count > 0);
}

/**
 * @param {Group} group
 * @param {import("./statistics.js").Bar} bar
 * @param {Group[]} groups
 */
function partOf(group, { groups: found }, groups) {
  if (!found) return 0;
  if (group.name === "none" && group.value === null) return found.missing;
  if (group.value !== null) {
    return found.values.find(({ value }) => value === group.value)?.count ?? 0;
  }
  const named = new Set(groups.map(({ value }) => value));
  const unnamed = found.values.filter(({ value }) => !named.has(value));
  return unnamed.reduce((sum, { count }) => sum + count, found.other);
}

/**
 * The bars of the period before, put where the bars of this one stand, from the right.
 * @param {Stats} answer
 * @param {Stats} before
 * @param {number} live
 */
function ghostOf(answer, before, live) {
  const shift = before.bars.length - (answer.bars.length - live);
  return answer.bars.map((_, n) => before.bars[n + shift]?.count ?? null);
}

/**
 * The bar in which a time is; -1 if none.
 * @param {Model} model
 * @param {number} at
 */
export function barAt({ starts, to }, at) {
  if (at >= to) return -1;
  return starts.findLastIndex((start) => start <= at);
}

/**
 * When a bar begins and ends, within the window.
 * @param {Model} model
 * @param {number} bar
 * @returns {[number, number]}
 */
export function spanOf({ starts, from, to }, bar) {
  return [Math.max(starts[bar] ?? from, from), starts[bar + 1] ?? to];
}

/**
 * The window that somebody means who drags from one time to another: snapped to round times.
 * @param {Model} model
 * @param {number} begin
 * @param {number} end
 * @returns {[number, number]}
 */
export function shownSpan({ from, to, interval }, begin, end) {
  const snap = SNAP_SECONDS[interval] ?? 60;
  const low = Math.max(Math.round(begin / snap) * snap, from);
  const high = Math.min(Math.max(Math.round(end / snap), Math.round(begin / snap) + 1) * snap, to);
  return [low, high];
}
