import { useCallback, useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { html } from "../html.js";
import { templateOf, widthOfAll } from "./columns.js";
import { Head } from "./head.js";
import { Row, rowId } from "./row.js";
import { onMove, scrollToRow, scrollerOf, seenOf, useWindow } from "./use_seen.js";
import { rowAfterKey } from "./windowing.js";

const HEAD_HEIGHT = 30; // px, as in table.css
const AHEAD = 400; // rows before the last one at which the next page is asked for

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {{id: string, index: number, moved: number}} Active the row that the keys are at;
 *   `moved` grows each time it is to be seen
 */

/**
 * The grid. Only the rows that are seen are in the document.
 * @param {{rows: readonly EventRow[], isWhole: boolean, isOutdated: boolean,
 *   layout: import("./columns.js").Layout, shown: import("./row.js").Shown, rowHeight: number,
 *   view: import("../view.js").View, active: Active, go: (index: number) => void,
 *   open: (id: string) => void, more: () => void, away: (isAway: boolean) => void, tops: number,
 *   children: import("preact").ComponentChildren}} props
 */
export function Grid(props) {
  const { rows, layout, rowHeight, active } = props;
  const grid = useRef(/** @type {HTMLElement | null} */ (null));
  const body = useRef(/** @type {HTMLElement | null} */ (null));
  const see = () => grid.current && body.current && seenOf(grid.current, body.current, HEAD_HEIGHT);
  const drawn = useWindow(see, rowHeight, rows.length);
  useFollowing(props, body, see, drawn);
  const resizing = useCallback(
    (/** @type {string} */ name, /** @type {number} */ width) =>
      grid.current?.style.setProperty("--columns", templateOf(layout, { [name]: width })),
    [layout],
  );
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.target !== grid.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor((see()?.height ?? 0) / rowHeight) - 1);
    const next = rowAfterKey(event.key, active.index, { count: rows.length, page });
    if (next === null) return;
    event.preventDefault();
    props.go(next);
  };
  const isDrawn = active.index >= drawn.first && active.index < drawn.end;
  return html`<div
    ref=${grid}
    role="grid"
    class=${props.isOutdated ? "grid outdated" : "grid"}
    tabindex="0"
    aria-label="events"
    aria-busy=${props.isOutdated}
    aria-rowcount=${props.isWhole ? rows.length + 1 : -1}
    aria-colcount=${layout.columns.length}
    aria-activedescendant=${isDrawn ? rowId(active.id) : undefined}
    style=${{
      "--columns": templateOf(layout),
      "--needed": `${widthOfAll(layout)}px`,
      "--row": `${rowHeight}px`,
    }}
    onKeyDown=${pressed}
  >
    <${Head} columns=${layout.columns} view=${props.view} resizing=${resizing} />
    <div
      ref=${body}
      role="rowgroup"
      class="grid-body"
      style=${{ height: `${rows.length * rowHeight}px` }}
    >
      <${Rows} ...${props} drawn=${drawn} />
    </div>
    ${props.children}
  </div>`;
}

/**
 * @param {{rows: readonly EventRow[], drawn: {first: number, end: number}, rowHeight: number,
 *   shown: import("./row.js").Shown, active: Active, view: import("../view.js").View,
 *   open: (id: string) => void}} props
 */
function Rows({ rows, drawn, rowHeight, shown, active, view, open }) {
  return rows
    .slice(drawn.first, drawn.end)
    .map(
      (event, at) =>
        html`<${Row}
          key=${event.id}
          event=${event}
          index=${drawn.first + at}
          top=${(drawn.first + at) * rowHeight}
          shown=${shown}
          isActive=${event.id === active.id}
          isSelected=${event.id === view.event}
          open=${open}
        />`,
    );
}

/**
 * Ask for more near the end, show the row that the keys went to, and tell whether the first row is
 * out of sight.
 * @param {Parameters<typeof Grid>[0]} props
 * @param {{current: HTMLElement | null}} body
 * @param {() => import("./windowing.js").Seen | null} see
 * @param {{first: number, end: number}} drawn
 */
function useFollowing(props, body, see, drawn) {
  const { rows, rowHeight, active, more, away, isOutdated, tops } = props;
  useEffect(() => {
    if (rows.length > 0 && drawn.end > rows.length - AHEAD) more();
  }, [drawn.end, rows]);
  useEffect(() => {
    const tell = () => away((see()?.top ?? 0) > rowHeight / 2);
    tell();
    return onMove(tell);
  }, [away, rowHeight]);
  useLayoutEffect(() => {
    if (tops > 0 && body.current) toTop(body.current, see());
  }, [tops]);
  useLayoutEffect(() => {
    const seen = see();
    if (!seen || !body.current || active.index < 0 || active.moved === 0) return;
    scrollToRow(body.current, active.index, seen, rowHeight);
  }, [active.moved]);
  const first = useMemo(() => ({ isOutdated }), []);
  useLayoutEffect(() => {
    const wasOutdated = first.isOutdated;
    first.isOutdated = isOutdated;
    if (wasOutdated && !isOutdated && body.current) toTop(body.current, see());
  }, [isOutdated]);
}

/**
 * The answer to another question begins with its first row.
 * @param {HTMLElement} body
 * @param {import("./windowing.js").Seen | null} seen
 */
function toTop(body, seen) {
  if (seen && seen.top > 0) scrollerOf(body).scrollBy({ top: -seen.top, behavior: "instant" });
}
