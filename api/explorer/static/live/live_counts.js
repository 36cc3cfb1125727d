/** The counts of an answer and of the rows that came live after it. Pure. */
import { offsetMs } from "../times.js";

/**
 * @typedef {import("../histogram/statistics.js").Stats} Stats
 * @typedef {import("../histogram/statistics.js").Bar} Bar
 * @typedef {import("./rows.js").EventRow} EventRow
 */

const LENGTHS = /** @type {Record<string, number>} */ ({
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
});
const MOST_BARS = 2000;

/**
 * How many of the rows came after an answer: those before its end are counted in it.
 * @param {Stats | null} answer
 * @param {readonly EventRow[]} rows newest first
 */
export function newerThan(answer, rows) {
  if (!answer) return [];
  const end = Date.parse(answer.to);
  return rows.filter(({ created_at }) => Date.parse(created_at) >= end);
}

/**
 * Return the answer as if it had counted these rows too, up to the newest of them.
 * @param {Stats} answer
 * @param {readonly EventRow[]} rows of `newerThan`
 * @param {string} group the field by which the answer is grouped, or ""
 * @param {string} zone
 * @returns {Stats}
 */
export function withLive(answer, rows, group, zone) {
  const newest = rows[0];
  if (!newest || answer.bars.length === 0) return answer;
  const bars = [...answer.bars];
  const offset = offsetMs(Date.parse(answer.to), zone);
  const length = LENGTHS[answer.interval] ?? Infinity;
  for (const row of [...rows].reverse()) {
    extend(bars, Date.parse(row.created_at), length, offset);
    const last = /** @type {Bar} */ (bars.pop());
    bars.push(withOne(last, group && String(row[/** @type {"component"} */ (group)] ?? "")));
  }
  const to = new Date(Date.parse(newest.created_at) + 1).toISOString();
  return { ...answer, to, total: answer.total + rows.length, bars };
}

/**
 * Add empty bars, until the last one is that of a time.
 * @param {Bar[]} bars
 * @param {number} at
 * @param {number} length of a bar, in ms; of months and weeks the last bar goes on
 * @param {number} offset of the zone's clocks from UTC
 */
function extend(bars, at, length, offset) {
  const last = Date.parse(bars.at(-1)?.at ?? "");
  let start = Math.floor((last + offset) / length) * length - offset + length;
  for (; start <= at && bars.length < MOST_BARS; start += length) {
    const groups = bars[0]?.groups && { values: [], other: 0, missing: 0 };
    bars.push({ at: new Date(start).toISOString(), count: 0, groups });
  }
}

/**
 * @param {Bar} bar
 * @param {string} value of its group
 * @returns {Bar}
 */
function withOne({ at, count, groups }, value) {
  if (!groups) return { at, count: count + 1, groups };
  const isKnown = groups.values.some((each) => each.value === value);
  const values = isKnown
    ? groups.values.map((each) => (each.value === value ? { value, count: each.count + 1 } : each))
    : [...groups.values, { value, count: 1 }];
  return { at, count: count + 1, groups: { ...groups, values } };
}
