import { useEffect, useState } from "preact/hooks";
import { asTrouble, getJson, queryOf } from "../service.js";
import { zoneOf } from "../times.js";

/**
 * @typedef {import("../service.js").Params} Params
 * @typedef {{value: string, count: number}} Value
 * @typedef {{values: Value[], other: number, missing: number}} Groups
 * @typedef {{at: string, count: number, groups: Groups | null}} Bar
 * @typedef {{from: string, to: string, interval: string, total: number, complete: boolean,
 *   covered: {from: string, to: string}, bars: Bar[], next: string | null}} Stats
 * @typedef {import("../service.js").Answer<Stats>} Statistics
 */

/**
 * The counts of a view: bars and total, of one snapshot. An answer that is not complete is
 * continued, so that bars fill in leftwards.
 * @param {import("../view.js").View} view
 * @param {Params | null} params
 * @returns {Statistics}
 */
export function useStatistics(view, params) {
  const own = { interval: view.interval, group_by: view.group, tz: zoneOf(view) };
  const { q, from, to, by } = view;
  return useCounts(params && { ...params, ...own }, [q, from, to, by].join("\n"));
}

/**
 * @param {Params | null} params
 * @param {string} [of] the question: what is known stays while the same one is asked again, as at
 *   another moment, and is no answer to another one
 * @returns {Statistics}
 */
export function useCounts(params, of = "") {
  const [round, setRound] = useState(0);
  const key = params ? `${round} ${queryOf(params)} ${of}` : "";
  const [state, setState] = useState(
    /** @type {Omit<Statistics, "again" | "loading"> & {key: string, of: string}} */ ({
      key: "",
      of,
      answer: null,
      trouble: null,
      ms: null,
    }),
  );
  useEffect(() => {
    if (!params) return;
    const control = new AbortController();
    const show = (/** @type {Stats} */ answer, /** @type {number} */ ms) =>
      setState({ key, of, answer, trouble: null, ms });
    count(params, control.signal, show).catch((error) => {
      if (control.signal.aborted) return;
      setState({ key, of, answer: null, trouble: asTrouble(error), ms: null });
    });
    return () => control.abort();
  }, [key]);
  const again = () => setRound((last) => last + 1);
  const known = state.of === of ? state : { answer: null, trouble: null, ms: null };
  return { ...known, loading: key !== "" && state.key !== key, again };
}

/**
 * Count from the newest events to the oldest, and show each part as it comes.
 * @param {Params} params
 * @param {AbortSignal} signal
 * @param {(sum: Stats, ms: number) => void} show
 */
async function count(params, signal, show) {
  /** @type {Stats | null} */
  let sum = null;
  let [next, took] = [/** @type {string | null} */ (""), 0];
  while (next !== null) {
    const { body, ms } = await getJson("/events/stats", { ...params, next }, { signal });
    sum = sum ? added(sum, body) : body;
    took += ms;
    next = body.next;
    show(/** @type {Stats} */ (sum), took);
  }
}

/**
 * Add the counts of an older part. Pure.
 * @param {Stats} newer
 * @param {Stats} older
 * @returns {Stats}
 */
export function added(newer, older) {
  const last = older.bars.at(-1);
  const isShared = last !== undefined && last.at === newer.bars[0]?.at;
  const shared = isShared ? [addedBar(last, /** @type {Bar} */ (newer.bars[0]))] : [];
  const bars = [...older.bars.slice(0, isShared ? -1 : undefined), ...shared];
  return {
    ...older,
    covered: { from: older.covered.from, to: newer.covered.to },
    total: newer.total + older.total,
    bars: [...bars, ...newer.bars.slice(Number(isShared))],
  };
}

/**
 * @param {Bar} one
 * @param {Bar} other
 * @returns {Bar}
 */
function addedBar(one, other) {
  const count = one.count + other.count;
  if (!one.groups || !other.groups) return { ...one, count };
  return { at: one.at, count, groups: sumOf([one.groups, other.groups]) };
}

/**
 * Return the counts of groups together, the most frequent value first. Pure.
 * @param {Groups[]} all
 * @returns {Groups}
 */
export function sumOf(all) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  let [other, missing] = [0, 0];
  for (const groups of all) {
    for (const { value, count } of groups.values)
      counts.set(value, (counts.get(value) ?? 0) + count);
    other += groups.other;
    missing += groups.missing;
  }
  const values = [...counts].map(([value, count]) => ({ value, count }));
  return { values: values.sort((one, two) => two.count - one.count), other, missing };
}
