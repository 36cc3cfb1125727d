/** Rows that came after a page was asked for, among the rows of the pages. Pure. */
import { newestFirst } from "../live/rows.js";

/** @typedef {import("./columns.js").EventRow} EventRow */

/**
 * Merge two lists that are sorted, newest first. What is stored late may belong between the rows.
 * @param {readonly EventRow[]} newer
 * @param {readonly EventRow[]} rows
 * @param {boolean} [isCut] whether the oldest of `newer` were dropped: then `rows` don't follow on
 * @returns {readonly EventRow[]} each event once
 */
export function withNewer(newer, rows, isCut = false) {
  if (newer.length === 0) return rows;
  if (isCut) return newer;
  const merged = [];
  let at = 0;
  for (const row of rows) {
    for (; at < newer.length && newestFirst(newer[at], row) < 0; at += 1) merged.push(newer[at]);
    if (newer[at]?.id === row.id) at += 1;
    merged.push(row);
  }
  return merged.concat(newer.slice(at));
}
