/** How many events match: the whole of which an export's progress is a part. */
import { getJson } from "../service.js";

/**
 * Count all events that match, over as many answers as it takes.
 * @param {import("../service.js").Params} params
 * @param {AbortSignal} signal
 * @returns {Promise<number>}
 */
export async function countAll(params, signal) {
  let total = 0;
  /** @type {string | null} */
  let next = null;
  do {
    // A later answer covers the part of the window before that of the one before it.
    /** @type {{body: {total: number, next: string | null}}} */
    const { body } = await getJson("/events/stats", next ? { ...params, next } : params, {
      signal,
    });
    total += body.total;
    next = body.next;
  } while (next);
  return total;
}
