/** The rows of a live view: sorted, without repetition, and of a bounded number. Pure. */

/**
 * @typedef {{id: string, created_at: string, component: string, environment: string,
 *   message: string, email?: string | null, data?: unknown, occurred_at?: string}} EventRow
 */

/** How many live rows are kept: the oldest beyond are dropped. */
export const MAX_ROWS = 5000;

/**
 * Order two events as pages do, newest first.
 * @param {EventRow} one
 * @param {EventRow} other
 */
export function newestFirst(one, other) {
  if (one.created_at !== other.created_at) return one.created_at < other.created_at ? 1 : -1;
  return one.id === other.id ? 0 : one.id < other.id ? 1 : -1;
}

/**
 * Join events into rows, newest first, each id once, and drop the oldest beyond `most`.
 * @param {readonly EventRow[]} rows
 * @param {readonly EventRow[]} added
 * @param {number} [most]
 * @returns {{rows: EventRow[], dropped: number}}
 */
export function joinedRows(rows, added, most = MAX_ROWS) {
  const all = withoutRepeats([...added, ...rows].sort(newestFirst));
  return { rows: all.slice(0, most), dropped: Math.max(0, all.length - most) };
}

/**
 * The rows of a table: live rows and the rows of pages, newest first, each id once.
 * @param {readonly EventRow[]} live
 * @param {readonly EventRow[]} paged
 * @returns {readonly EventRow[]}
 */
export function merged(live, paged) {
  return live.length ? withoutRepeats([...live, ...paged].sort(newestFirst)) : paged;
}

/** @param {EventRow[]} sorted */
function withoutRepeats(sorted) {
  return sorted.filter((row, at) => at === 0 || row.id !== sorted[at - 1].id);
}
