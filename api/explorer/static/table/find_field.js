import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { countText } from "../times.js";
import { changeView } from "../view.js";
import { focusGrid } from "./use_active.js";

const SETTLES_MS = 150; // after the last letter the view changes, and rows are searched

/**
 * @typedef {{view: import("../view.js").View, found: import("./use_find.js").Hits, at: number,
 *   loaded: number, step: (by: 1 | -1) => void}} Props `at`: which hit the row is, -1 for none
 */

/**
 * Finds text in the rows that are loaded: the browser's own search can't see rows that are not in
 * the document.
 * @param {Props & {close: () => void}} props
 */
export function FindField({ view, found, at, loaded, step, close }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [text, write] = useTyped(view.find);
  const leave = () => {
    write("", 0);
    focusGrid();
    close();
  };
  useEffect(() => field.current?.select(), []);
  useAction("find", () => field.current?.select());
  useAction("back", leave);
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
  };
  return html`<div class="find" role="search" aria-label="in the rows that are loaded">
    <input
      ref=${field}
      type="search"
      aria-label="find in the rows that are loaded"
      placeholder="find in loaded rows"
      maxlength="200"
      value=${text}
      onInput=${(/** @type {InputEvent} */ event) =>
        write(/** @type {HTMLInputElement} */ (event.target).value, SETTLES_MS)}
      onKeyDown=${pressed}
    />
    <span class="soft" role="status">${text && resultText(found, at, loaded)}</span>
    <button type="button" class="plain" aria-label="previous hit" onClick=${() => step(-1)}>
      ↑
    </button>
    <button type="button" class="plain" aria-label="next hit" onClick=${() => step(1)}>↓</button>
    <button type="button" class="plain" aria-label="close find" onClick=${leave}>×</button>
  </div>`;
}

/**
 * @param {import("./use_find.js").Hits} found
 * @param {number} at
 * @param {number} loaded
 */
function resultText({ hits, isDone }, at, loaded) {
  const count = `${countText(hits.length)}${isDone ? "" : "…"}`;
  const where = at < 0 ? count : `${countText(at + 1)} of ${count}`;
  return `${where} in ${countText(loaded)} rows`;
}

/**
 * The text as it is typed; the view gets it once typing pauses.
 * @param {string} settled
 * @returns {[string, (text: string, ms: number) => void]}
 */
function useTyped(settled) {
  const [text, setText] = useState(settled);
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  useEffect(() => setText(settled), [settled]);
  const write = (/** @type {string} */ next, /** @type {number} */ ms) => {
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => changeView({ find: next }, { replace: true }), ms);
  };
  return [text, write];
}
