/** The events of one email, newest first, page by page. */
import { useEffect, useState } from "preact/hooks";

import { asTrouble, getJson } from "../service.js";

const PAGE = 200;

/**
 * @typedef {import("../live/rows.js").EventRow} EventRow
 * @typedef {{events: EventRow[], cursor: string | null}} Timeline `cursor`: null at the end
 */

/**
 * @param {string | null} email nothing is asked while it is null
 */
export function useTimeline(email) {
  const [timeline, setTimeline] = useState(/** @type {Timeline | null} */ (null));
  const [trouble, setTrouble] = useState(
    /** @type {import("../service.js").Trouble | null} */ (null),
  );
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!email) return undefined;
    const control = new AbortController();
    const params = { email, limit: PAGE, cursor: timeline?.cursor };
    getJson("/events", params, { signal: control.signal }).then(
      ({ body }) => {
        setTimeline({
          events: [...(timeline?.events ?? []), ...body.events],
          cursor: body.next_cursor,
        });
        setTrouble(null);
      },
      (error) => control.signal.aborted || setTrouble(asTrouble(error)),
    );
    return () => control.abort();
  }, [email, round]);
  return { timeline, trouble, more: () => setRound((last) => last + 1) };
}
