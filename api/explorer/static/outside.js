import { useEffect } from "preact/hooks";

/**
 * Call `leave` when the pointer or the focus goes to what is outside of a box that is open.
 * @param {{current: HTMLElement | null}} box
 * @param {boolean} isOpen
 * @param {() => void} leave
 */
export function useOutside(box, isOpen, leave) {
  useEffect(() => {
    if (!isOpen) return undefined;
    const control = new AbortController();
    const moved = (/** @type {Event} */ event) =>
      box.current?.contains(/** @type {Node} */ (event.target)) || leave();
    for (const kind of ["pointerdown", "focusin"]) {
      document.addEventListener(kind, moved, control);
    }
    return () => control.abort();
  }, [isOpen]);
}
