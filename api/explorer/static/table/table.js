/** The rows of the history: as many as are asked for, of which only those seen are in the page. */
import { useMemo, useRef } from "preact/hooks";

import { html } from "../html.js";
import { countText, zoneOf } from "../times.js";
import { later } from "../later.js";
import { ColumnMenu } from "./column_menu.js";
import { layoutOf } from "./columns.js";
import { hitBeside } from "./find.js";
import { FindBar } from "./find_bar.js";
import { Foot } from "./foot.js";
import { Grid } from "./grid.js";
import { withNewer } from "./newer.js";
import { textsOf } from "./row.js";
import { useActive } from "./use_active.js";
import { useFind } from "./use_find.js";
import { useRows } from "./use_rows.js";
import { useMedia, useRoom } from "./use_seen.js";

const Empty = later(() => import("../trouble/empty.js").then((part) => part.Empty));

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {import("../view.js").View} View
 */

const ROW_HEIGHT = 30; // px
const ROW_HEIGHT_FOR_FINGERS = 34;
const ignore = () => undefined;
const NOTHING = /** @type {readonly EventRow[]} */ (Object.freeze([]));

/**
 * @param {{view: View, params: import("../service.js").Params | null,
 *   moment: import("../filters.js").Moment | null, newer?: readonly EventRow[], isCut?: boolean,
 *   away?: (isAway: boolean) => void, tops?: number}} props
 *   `newer`: events that came after the page was asked for, newest first; `isCut`: between them and
 *   the page are others, which are not kept; `away` is told whether the first row is out of sight;
 *   `tops`: scrolls to the first row each time it grows
 */
export function Table(props) {
  const { view, params, newer = NOTHING, isCut = false, away = ignore, tops = 0 } = props;
  const pages = useRows(params && { ...params, order: view.order });
  const rows = useMemo(() => withNewer(newer, pages.rows, isCut), [newer, pages.rows, isCut]);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const shown = useShown(view, useRoom(box));
  const isCoarse = useMedia("(max-width: 480px)");
  const texts = useMemo(() => textsOf(shown), [shown]);
  const found = useFind(rows, view.find, texts);
  const { pattern } = found;
  const marked = useMemo(() => ({ ...shown, pattern }), [shown, pattern?.source]);
  const { active, go, open } = useActive(view, rows);
  const step = (/** @type {1 | -1} */ by) => {
    const hit = hitBeside(found.hits, active.index, by);
    if (hit !== null) go(hit);
  };
  const isWhole = pages.isWhole && !isCut;
  const isEmpty = rows.length === 0 && isWhole && !pages.isOutdated;
  const at = view.find ? found.hits.indexOf(active.index) : -1;
  return html`<div class="table" ref=${box}>
    <div class="table-bar">
      <span class="soft" role="status"
        >${loadedText(rows.length, isWhole || pages.isOutdated)}</span
      >
      <${FindBar} view=${view} found=${found} at=${at} loaded=${rows.length} step=${step} />
      <${ColumnMenu} view=${view} hidden=${shown.layout.hidden} rows=${rows} />
    </div>
    ${isEmpty && html`<${Empty} view=${view} moment=${props.moment} />`}
    <${Grid}
      rows=${rows}
      isWhole=${isWhole}
      isOutdated=${pages.isOutdated}
      layout=${shown.layout}
      shown=${marked}
      rowHeight=${isCoarse ? ROW_HEIGHT_FOR_FINGERS : ROW_HEIGHT}
      view=${view}
      active=${active}
      go=${go}
      open=${open}
      more=${isCut ? ignore : pages.more}
      away=${away}
      tops=${tops}
    >
      <${Foot} rows=${{ ...pages, rows }} isCut=${isCut} view=${view} again=${pages.again} />
    <//>
  </div>`;
}

/**
 * How many rows are loaded, where that is neither all nor nothing.
 * @param {number} count
 * @param {boolean} isPlain
 */
const loadedText = (count, isPlain) =>
  isPlain || count === 0 ? "" : `${countText(count)} rows loaded`;

/**
 * How rows are shown: the same object until it changes.
 * @param {View} view
 * @param {number | null} room
 */
function useShown(view, room) {
  const zone = zoneOf(view);
  return useMemo(
    () => ({ layout: layoutOf(view.columns, view.widths, room ?? 1000), zone }),
    [view.columns.join("\n"), JSON.stringify(view.widths), room, zone],
  );
}
