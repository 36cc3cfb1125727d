/** How many events each widening would find: counted one after the other, never guessed. */
import { useEffect, useState } from "preact/hooks";

import { eventParams } from "../filters.js";
import { getJson } from "../service.js";
import { wideningsOf } from "./widenings.js";

/**
 * @typedef {import("../view.js").View} View
 * @typedef {import("../filters.js").Moment} Moment
 * @typedef {import("./widenings.js").Widening & {count: number, isWhole: boolean}} Counted
 * `isWhole`: false if there may be more than were counted in time
 */

/**
 * @param {View} view
 * @param {Moment | null} moment
 * @returns {{found: Counted[], isDone: boolean, isKnown: boolean}} those that find something;
 *   `isKnown`: whether all of them could be counted
 */
export function useWidenings(view, moment) {
  const [state, setState] = useState({
    found: /** @type {Counted[]} */ ([]),
    isDone: false,
    isKnown: true,
  });
  const { q, from, to, by } = view;
  useEffect(() => {
    const control = new AbortController();
    setState({ found: [], isDone: false, isKnown: true });
    void countOf(view, moment, control.signal, setState);
    return () => control.abort();
  }, [q, from, to, by, moment?.to]);
  return state;
}

/**
 * @param {View} view
 * @param {Moment | null} moment
 * @param {AbortSignal} signal
 * @param {(state: {found: Counted[], isDone: boolean, isKnown: boolean}) => void} show
 */
async function countOf(view, moment, signal, show) {
  /** @type {Counted[]} */
  const found = [];
  let isKnown = true;
  for (const widening of wideningsOf(view)) {
    const params = eventParams({ ...view, ...widening.changes }, moment);
    if (!params) return;
    const answer = await getJson("/events/stats", params, { signal }).catch(() => null);
    if (signal.aborted) return;
    const { total, complete } = answer?.body ?? { total: 0, complete: false };
    if (total > 0) found.push({ ...widening, count: total, isWhole: complete });
    else isKnown &&= complete;
    show({ found: [...found], isDone: false, isKnown });
  }
  show({ found, isDone: true, isKnown });
}
