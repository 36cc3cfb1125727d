/** Which rows of a long table are in the document: those that can be seen, and a few beside. Pure. */

const BESIDE = 8; // rows above and below what is seen, so that scrolling shows no gap

/**
 * @typedef {{top: number, height: number}} Seen the part of the rows that is on the screen, in px
 *   from the top of the first row
 */

/**
 * @param {Seen} seen
 * @param {number} rowHeight
 * @param {number} count
 * @returns {{first: number, end: number}} the rows to draw: from `first` until before `end`
 */
export function visibleRange({ top, height }, rowHeight, count) {
  const first = Math.floor(top / rowHeight) - BESIDE;
  const end = Math.ceil((top + height) / rowHeight) + BESIDE;
  return { first: within(first, count), end: within(end, count) };
}

/**
 * @param {number} index
 * @param {number} count
 */
const within = (index, count) => Math.max(0, Math.min(count, index));

/**
 * Return by how many px to scroll so that a whole row is seen; 0 if it is.
 * @param {number} index
 * @param {Seen} seen
 * @param {number} rowHeight
 */
export function scrollToSee(index, { top, height }, rowHeight) {
  const above = index * rowHeight - top;
  if (above < 0) return above;
  return Math.max(0, above + rowHeight - height);
}

/**
 * Return the row that a key of the keyboard leads to, from `index` (-1: none yet); null for other keys.
 * @param {string} key
 * @param {number} index
 * @param {{count: number, page: number}} table `page`: the rows that are seen at once
 * @returns {number | null}
 */
export function rowAfterKey(key, index, { count, page }) {
  if (count === 0) return null;
  const wanted = {
    ArrowDown: index + 1,
    ArrowUp: index - 1,
    PageDown: index + page,
    PageUp: index - page,
    Home: 0,
    End: count - 1,
  }[key];
  return wanted === undefined ? null : Math.max(0, Math.min(count - 1, wanted));
}
