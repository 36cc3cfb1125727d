import { useEffect, useMemo, useRef } from "preact/hooks";
import { zoneOf } from "../times.js";
import { newerThan, withLive } from "./live_counts.js";

const OFTEN_MS = 5_000;
const SELDOM_MS = 60_000;
const NONE = /** @type {import("./rows.js").EventRow[]} */ ([]);

/**
 * The answer with the rows that came live, so that bars, total and rows agree while they come.
 * The moment is taken anew each minute, and more often if more come than rows are kept.
 * @typedef {import("../histogram/statistics.js").Stats} Stats
 * @typedef {{answer: Stats | null, live: number, added: number, isCut: boolean}} Counts `live`: how
 *   many of its events came live, and `added`: of its bars; `isCut`: rows that are not kept came
 *   between the answer and those that are counted
 * @param {import("../view.js").View} view
 * @param {Stats | null} answer
 * @param {import("./use_live.js").Live | null} live
 * @param {() => void} refresh
 * @returns {Counts}
 */
export function useLiveCounts(view, answer, live, refresh) {
  const rows = live?.rows ?? NONE;
  const newer = useMemo(() => newerThan(answer, rows), [answer, rows]);
  const [group, zone] = [view.group, zoneOf(view)];
  const sum = useMemo(
    () => answer && withLive(answer, newer, group, zone),
    [answer, newer, group, zone],
  );
  const isCut = (live?.dropped ?? 0) > 0 && newer.length > 0 && newer.length === rows.length;
  useRefresh(live, isCut ? OFTEN_MS : SELDOM_MS, refresh);
  const added = sum && answer ? sum.bars.length - answer.bars.length : 0;
  return useMemo(() => ({ answer: sum, live: newer.length, added, isCut }), [sum, isCut]);
}

/**
 * Take the moment anew while rows come, unless somebody reads further down.
 * @param {import("./use_live.js").Live | null} live
 * @param {number} ms
 * @param {() => void} refresh
 */
function useRefresh(live, ms, refresh) {
  const latest = useRef({ live, refresh });
  latest.current = { live, refresh };
  const isLive = live !== null;
  useEffect(() => {
    if (!isLive) return;
    const clock = setInterval(() => {
      const { live: now, refresh: take } = latest.current;
      if (now && !now.paused && !now.away) take();
    }, ms);
    return () => clearInterval(clock);
  }, [isLive, ms]);
}
