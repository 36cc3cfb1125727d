import { useEffect, useMemo, useRef } from "preact/hooks";
import { zoneOf } from "../times.js";
import { newerThan, withLive } from "./live_counts.js";

const OFTEN_MS = 5_000;
const SELDOM_MS = 60_000;
const NONE = /** @type {import("../live/rows.js").EventRow[]} */ ([]);

/**
 * The statistics with the rows that came live, so that bars, total and rows agree while they come.
 * The moment is taken anew each minute, and more often if more come than rows are kept.
 * @param {import("../view.js").View} view
 * @param {import("./statistics.js").Statistics} statistics
 * @param {import("../live/use_live.js").Live | null} live
 * @param {() => void} refresh
 */
export function useLiveCounts(view, statistics, live, refresh) {
  const { answer } = statistics;
  const rows = live?.rows ?? NONE;
  const newer = useMemo(() => newerThan(answer, rows), [answer, rows]);
  const [group, zone] = [view.group, zoneOf(view)];
  const sum = useMemo(
    () => answer && withLive(answer, newer, group, zone),
    [answer, newer, group, zone],
  );
  const state = useRef({ live, refresh, dropped: 0 });
  state.current = { ...state.current, live, refresh };
  const isLive = live !== null;
  useEffect(() => {
    if (!isLive) return;
    let taken = Date.now();
    const clock = setInterval(() => {
      const { live: now, dropped } = state.current;
      if (!now || now.paused || now.away) return;
      const isCut = now.dropped > dropped;
      if (Date.now() - taken < (isCut ? OFTEN_MS : SELDOM_MS)) return;
      taken = Date.now();
      state.current.dropped = now.dropped;
      state.current.refresh();
    }, 1000);
    return () => clearInterval(clock);
  }, [isLive]);
  const added = sum && answer ? sum.bars.length - answer.bars.length : 0;
  return { ...statistics, answer: sum, live: newer.length, added };
}
