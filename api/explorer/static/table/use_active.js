/** The row that the keys are at, and the event that is selected. */
import { useEffect, useMemo, useState } from "preact/hooks";

import { useAction } from "../keys/actions.js";
import { changeView } from "../view.js";

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {import("../view.js").View} View
 */

/**
 * @param {View} view
 * @param {readonly EventRow[]} rows
 * @returns {{active: import("./grid.js").Active, go: (index: number) => void,
 *   open: (id: string) => void}} `go` moves to a row, and selects it if an event is selected;
 *   `open` selects an event
 */
export function useActive(view, rows) {
  const [{ id, moved }, setActive] = useState({ id: view.event, moved: view.event ? 1 : 0 });
  const index = useMemo(() => rows.findIndex((row) => row.id === id), [rows, id]);
  useEffect(() => {
    if (view.event)
      setActive((last) => (last.id === view.event ? last : { ...last, id: view.event }));
  }, [view.event]);
  const open = (/** @type {string} */ next) => {
    setActive((last) => ({ ...last, id: next }));
    select(view, next);
  };
  const go = (/** @type {number} */ to) => {
    const next = rows[to]?.id;
    if (next === undefined) return;
    setActive((last) => ({ id: next, moved: last.moved + 1 }));
    if (view.event) select(view, next);
  };
  useRowKeys({ index, count: rows.length, go, enter: () => open(id) });
  return { active: { id, index, moved }, go, open };
}

/**
 * The first event that is selected is a step of the browser's history; those after replace it.
 * @param {View} view
 * @param {string} event
 */
function select(view, event) {
  changeView({ event, panel: "" }, { replace: view.event !== "" });
}

/**
 * @param {{index: number, count: number, go: (index: number) => void, enter: () => void}} how
 */
function useRowKeys({ index, count, go, enter }) {
  const step = (/** @type {number} */ to) => () => {
    if (to < 0 || to >= count) return false;
    focusGrid();
    go(to);
    return undefined;
  };
  useAction("next", step(index + 1));
  useAction("previous", step(index - 1));
  useAction("detail", () => {
    if (index < 0) return false;
    enter();
    return undefined;
  });
}

/** So that the row is read out, and the arrow keys go on from it. */
export function focusGrid() {
  const grid = /** @type {HTMLElement | null} */ (document.querySelector(".table .grid"));
  grid?.focus({ preventScroll: true });
}
