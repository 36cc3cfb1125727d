/** The events around one event, more of them on each side on wish. */
import { useEffect, useState } from "preact/hooks";

import { asTrouble, getJson } from "../service.js";

const FIRST = 20;
const MORE = 50;

/**
 * @typedef {import("../live/rows.js").EventRow} EventRow
 * @typedef {"before" | "after"} Side
 * @typedef {EventRow & {receipt: string}} Middle
 * @typedef {{before: EventRow[], event: Middle, after: EventRow[], ended: Record<Side, boolean>}} Found
 * All in the order of time. `ended`: the last look on this side found nothing more.
 */

/**
 * @param {string} id
 * @param {string} same a field in which all are the same; "" for all events
 */
export function useNeighbours(id, same) {
  const key = `${id} ${same}`;
  const [state, setState] = useState({ key: "", found: /** @type {Found | null} */ (null) });
  const [trouble, setTrouble] = useState(
    /** @type {import("../service.js").Trouble | null} */ (null),
  );
  const [wanted, setWanted] = useState({ side: /** @type {Side | ""} */ (""), round: 0 });
  const found = state.key === key ? state.found : null;
  useEffect(() => {
    const control = new AbortController();
    look(id, same, found, wanted.side, control.signal).then(
      (next) => (setState({ key, found: next }), setTrouble(null)),
      (error) => control.signal.aborted || setTrouble(asTrouble(error)),
    );
    return () => control.abort();
  }, [key, wanted]);
  /** @param {Side | ""} side */
  const ask = (side) => setWanted(({ round }) => ({ side, round: round + 1 }));
  return { found, trouble, more: ask, again: () => ask(wanted.side) };
}

/**
 * @param {string} id
 * @param {string} same
 * @param {Found | null} found
 * @param {Side | ""} side the side that gets more; "" begins
 * @param {AbortSignal} signal
 * @returns {Promise<Found>}
 */
async function look(id, same, found, side, signal) {
  if (!found || !side) {
    const { before, event, after } = await around(
      id,
      { before: FIRST, after: FIRST, same },
      signal,
    );
    return { before, event, after, ended: { before: !before.length, after: !after.length } };
  }
  // The outermost event has the same values, so what stands around it continues the list.
  const outermost = (side === "before" ? found.before[0] : found.after.at(-1)) ?? found.event;
  const asked = { before: 0, after: 0, [side]: MORE, same };
  const more = (await around(outermost.id, asked, signal))[side];
  const whole = side === "before" ? [...more, ...found.before] : [...found.after, ...more];
  return { ...found, [side]: whole, ended: { ...found.ended, [side]: !more.length } };
}

/**
 * @param {string} id
 * @param {import("../service.js").Params} params
 * @param {AbortSignal} signal
 * @returns {Promise<{before: EventRow[], event: Middle, after: EventRow[]}>}
 */
async function around(id, params, signal) {
  return (await getJson(`/events/${encodeURIComponent(id)}/around`, params, { signal })).body;
}
