/** Rows that came after a page was asked for, before the rows of the page. Pure. */

/** @typedef {import("./columns.js").EventRow} EventRow */

/**
 * @param {readonly EventRow[]} newer
 * @param {readonly EventRow[]} rows
 * @returns {readonly EventRow[]} each event once
 */
export function withNewer(newer, rows) {
  if (newer.length === 0) return rows;
  const ids = new Set(newer.map(({ id }) => id));
  return [...newer, ...rows.filter(({ id }) => !ids.has(id))];
}
