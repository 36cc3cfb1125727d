import { html } from "../html.js";
import { visible } from "../texts.js";
import { changeView } from "../view.js";
import { FILLING, MAX_WIDTH, MIN_WIDTH, clampWidth, movedTo } from "./columns.js";

/**
 * @typedef {import("./columns.js").Column} Column
 * @typedef {import("../view.js").View} View
 */

const KEY_STEP = 16; // px
const DRAGGED = "application/x-column";

/**
 * The heads of the columns. A click on `time` turns the order; edges are dragged.
 * @param {{columns: Column[], view: View, resizing: (name: string, width: number) => void}} props
 */
export function Head({ columns, view, resizing }) {
  const filling = columns.findIndex(({ name }) => name === FILLING);
  return html`<div role="rowgroup" class="grid-head">
    <div role="row" class="row" aria-rowindex="1">
      ${columns.map(
        (column, at) =>
          html`<div
            key=${column.name}
            role="columnheader"
            class="cell"
            aria-sort=${column.name === "time" ? SORTS[view.order] : undefined}
            ...${movesBy(column.name, view)}
          >
            <${Name} name=${column.name} view=${view} />
            ${
              at !== filling &&
              html`<${Edge}
                column=${column}
                isLeft=${filling >= 0 && at > filling}
                view=${view}
                resizing=${resizing}
              />`
            }
          </div>`,
      )}
    </div>
  </div>`;
}

const SORTS = /** @type {Record<string, string>} */ ({ desc: "descending", asc: "ascending" });

/**
 * A head is dragged onto the one whose place it takes.
 * @param {string} name
 * @param {View} view
 */
function movesBy(name, { columns }) {
  return {
    draggable: true,
    onDragStart: (/** @type {DragEvent} */ event) => event.dataTransfer?.setData(DRAGGED, name),
    onDragOver: (/** @type {DragEvent} */ event) =>
      event.dataTransfer?.types.includes(DRAGGED) && event.preventDefault(),
    onDrop: (/** @type {DragEvent} */ event) => {
      const moved = event.dataTransfer?.getData(DRAGGED) ?? "";
      changeView({ columns: movedTo(columns, moved, columns.indexOf(name)) }, { replace: true });
    },
  };
}

/**
 * The times of the rows are `created_at`, whichever time the view is by.
 * @param {{name: string, view: View}} props
 */
function Name({ name, view: { order, by } }) {
  const shown = visible(name);
  if (name !== "time") return html`<span class="name" dir="auto" title=${shown}>${shown}</span>`;
  const turn = () => changeView({ order: order === "desc" ? "asc" : "desc" });
  const now = order === "desc" ? "newest first" : "oldest first";
  return html`<button type="button" class="name order" title=${now} onClick=${turn}>
    ${by === "occurred_at" ? "accepted" : "time"}${" "}
    <span aria-hidden="true">${order === "desc" ? "↓" : "↑"}</span>
  </button>`;
}

/**
 * The edge of a column: dragged by the pointer, or moved by the arrow keys. A double click or
 * Delete gives the column its own width back.
 * @param {{column: Column, isLeft: boolean, view: View,
 *   resizing: (name: string, width: number) => void}} props `isLeft`: right of the column that
 *   takes the room, where the left edge is the one that moves
 */
function Edge({ column: { name, width }, isLeft, view, resizing }) {
  const towards = isLeft ? -1 : 1;
  const keep = (/** @type {number | null} */ next) => {
    const widths = { ...view.widths };
    if (next === null) delete widths[name];
    else widths[name] = clampWidth(next);
    changeView({ widths }, { replace: true });
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowRight: KEY_STEP, ArrowLeft: -KEY_STEP }[event.key];
    if (step !== undefined) keep(width + step * towards);
    else if (event.key === "Delete") keep(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div
    role="separator"
    tabindex="0"
    class=${isLeft ? "edge left" : "edge"}
    aria-orientation="vertical"
    aria-label=${`width of ${name}`}
    aria-valuenow=${width}
    aria-valuemin=${MIN_WIDTH}
    aria-valuemax=${MAX_WIDTH}
    onKeyDown=${pressed}
    onDblClick=${() => keep(null)}
    onPointerDown=${(/** @type {PointerEvent} */ event) =>
      drag(
        event,
        (by) => clampWidth(width + by * towards),
        (next) => resizing(name, next),
        keep,
      )}
  ></div>`;
}

/**
 * @param {PointerEvent} start
 * @param {(by: number) => number} widthAfter
 * @param {(width: number) => void} show while it moves
 * @param {(width: number) => void} keep at the end
 */
function drag(start, widthAfter, show, keep) {
  if (start.button !== 0) return;
  const edge = /** @type {HTMLElement} */ (start.currentTarget);
  edge.setPointerCapture(start.pointerId);
  start.preventDefault();
  const width = (/** @type {PointerEvent} */ event) => widthAfter(event.clientX - start.clientX);
  const move = (/** @type {PointerEvent} */ event) => show(width(event));
  const end = (/** @type {PointerEvent} */ event) => {
    edge.removeEventListener("pointermove", move);
    if (event.clientX !== start.clientX) keep(width(event));
  };
  edge.addEventListener("pointermove", move);
  edge.addEventListener("lostpointercapture", (event) => end(event), { once: true });
}
