/** Cut the events of a person into sessions. Pure. */

/** A gap of so long ends a session. */
export const GAP_MS = 30 * 60_000;

/**
 * @typedef {import("../live/rows.js").EventRow} EventRow
 * @typedef {{events: EventRow[], begin: string, end: string, ms: number, gapMs: number | null}} Session
 * `events`: newest first. `begin`, `end`: of its first and last event. `gapMs`: from the end of the
 * session before it to its begin; null if none is known.
 */

/**
 * @param {readonly EventRow[]} events newest first
 * @param {number} [gap]
 * @returns {Session[]} newest first
 */
export function sessionsOf(events, gap = GAP_MS) {
  /** @type {EventRow[][]} */
  const parts = [];
  for (const event of events) {
    const last = parts.at(-1);
    const newer = last?.at(-1);
    if (last && newer && msBetween(event, newer) < gap) last.push(event);
    else parts.push([event]);
  }
  return parts.map((part, at) => {
    const [end, begin] = [part[0], part[part.length - 1]];
    const older = parts[at + 1]?.[0];
    return {
      events: part,
      begin: begin.created_at,
      end: end.created_at,
      ms: msBetween(begin, end),
      gapMs: older ? msBetween(older, begin) : null,
    };
  });
}

/**
 * @param {EventRow} older
 * @param {EventRow} newer
 */
const msBetween = (older, newer) => Date.parse(newer.created_at) - Date.parse(older.created_at);
