/** What of the table is on the screen, and how much room it has. */
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

import { scrollToSee, visibleRange } from "./windowing.js";

/**
 * @typedef {import("./windowing.js").Seen} Seen
 * @typedef {{current: HTMLElement | null}} Ref
 */

/**
 * Return which part of the rows is seen: the table may scroll by itself or with the page.
 * @param {HTMLElement} grid with a head of `headHeight`, which stays on top, and the body
 * @param {HTMLElement} body
 * @param {number} headHeight
 * @returns {Seen}
 */
export function seenOf(grid, body, headHeight) {
  const box = grid.getBoundingClientRect();
  const top = Math.max(box.top + grid.clientTop, 0) + headHeight;
  const height = Math.max(0, Math.min(box.bottom, window.innerHeight) - top);
  return { top: top - body.getBoundingClientRect().top, height };
}

/**
 * The rows to draw, in a component: they change as anything scrolls or gets another size.
 * @param {() => Seen | null} see
 * @param {number} rowHeight
 * @param {number} count
 */
export function useWindow(see, rowHeight, count) {
  const [drawn, setDrawn] = useState({ first: 0, end: Math.min(count, 50) });
  useLayoutEffect(() => {
    const look = () => {
      const seen = see();
      const next = seen ? visibleRange(seen, rowHeight, count) : drawn;
      setDrawn((last) => (last.first === next.first && last.end === next.end ? last : next));
    };
    look();
    return onMove(look);
  }, [rowHeight, count]);
  return drawn;
}

/**
 * Call back after each scrolling and resizing, at most once a frame.
 * @param {() => void} act
 * @returns {() => void} ends it
 */
export function onMove(act) {
  let frame = 0;
  const soon = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(act);
  };
  document.addEventListener("scroll", soon, { capture: true, passive: true });
  window.addEventListener("resize", soon);
  const observer = new ResizeObserver(soon);
  observer.observe(document.body);
  return () => {
    cancelAnimationFrame(frame);
    document.removeEventListener("scroll", soon, { capture: true });
    window.removeEventListener("resize", soon);
    observer.disconnect();
  };
}

/**
 * Scroll what scrolls the body, as far as a row needs to be seen.
 * @param {HTMLElement} body
 * @param {number} index
 * @param {Seen} seen
 * @param {number} rowHeight
 */
export function scrollToRow(body, index, seen, rowHeight) {
  const by = scrollToSee(index, seen, rowHeight);
  if (by !== 0) scrollerOf(body).scrollBy({ top: by, behavior: "instant" });
}

/**
 * @param {HTMLElement} element
 * @returns {Element}
 */
export function scrollerOf(element) {
  for (let outer = element.parentElement; outer; outer = outer.parentElement) {
    const scrolls = /auto|scroll/.test(getComputedStyle(outer).overflowY);
    if (scrolls && outer.scrollHeight > outer.clientHeight) return outer;
  }
  return document.scrollingElement ?? document.documentElement;
}

/**
 * The width of an element, in px; null before it is known.
 * @param {Ref} ref
 * @returns {number | null}
 */
export function useRoom(ref) {
  const [room, setRoom] = useState(/** @type {number | null} */ (null));
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const measure = () => setRoom(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return room;
}

/**
 * Whether a media query holds, in a component.
 * @param {string} query
 */
export function useMedia(query) {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const look = () => setHolds(list.matches);
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, [query]);
  return holds;
}
