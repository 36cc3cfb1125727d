/** An event by its id, with its receipt. */
import { useEffect, useState } from "preact/hooks";

import { parseExact } from "../exact.js";
import { ask, asTrouble } from "../service.js";

/**
 * @typedef {import("../table/columns.js").EventRow & {receipt: string}} FullEvent `receipt`:
 *   `queued`, `stored` or `dead`
 * @typedef {import("../service.js").Trouble} Trouble
 */

const QUEUED_MS = 1000; // until a queued event is looked at again

/**
 * The event, in a component; the last one stays until the next is there.
 * @param {string} id
 * @returns {{event: FullEvent | null, trouble: Trouble | null, again: () => void}}
 */
export function useEvent(id) {
  const [round, setRound] = useState(0);
  const [found, setFound] = useState(
    /** @type {{event: FullEvent | null, trouble: Trouble | null}} */ ({
      event: null,
      trouble: null,
    }),
  );
  const again = () => setRound((last) => last + 1);
  useEffect(() => {
    const control = new AbortController();
    readEvent(id, control.signal).then(
      (event) => setFound({ event, trouble: null }),
      (error) => control.signal.aborted || setFound({ event: null, trouble: asTrouble(error) }),
    );
    return () => control.abort();
  }, [id, round]);
  const isQueued = found.event?.id === id && found.event.receipt === "queued";
  useEffect(() => {
    const timer = isQueued && setTimeout(again, QUEUED_MS);
    return () => clearTimeout(timer || undefined);
  }, [isQueued, found]);
  return { ...found, again };
}

/**
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<FullEvent>}
 */
async function readEvent(id, signal) {
  const answer = await ask(`/events/${encodeURIComponent(id)}`, {}, { signal });
  return parseExact(await answer.text());
}
