import { html } from "../html.js";
import { later } from "../later.js";
import { countText } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";

const Full = later(() => import("./full.js").then((part) => part.Full));

/**
 * @typedef {import("./pages.js").Rows} Rows
 * @typedef {import("../view.js").View} View
 */

/**
 * What stands below the last row: that more come, what went wrong, or that these are all. A row of
 * the grid too, because nothing else may stand in a grid.
 * @param {{rows: Rows, isCut: boolean, view: View, again: () => void}} props
 */
export function Foot(props) {
  const content = contentOf(props);
  return (
    content &&
    html`<div role="row" class="foot-row"><div role="gridcell" class="foot">${content}</div></div>`
  );
}

/** @param {{rows: Rows, isCut: boolean, view: View, again: () => void}} props */
function contentOf({ rows, isCut, view, again }) {
  const { trouble, isFull, isWhole, isLoading, isOutdated } = rows;
  if (isCut) return html`<p>${CUT}</p>`;
  if (trouble) return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  if (isFull) return html`<${Full} rows=${rows.rows} view=${view} />`;
  if (isLoading && !isOutdated) return html`<p class="soft">Loading …</p>`;
  return (
    isWhole && rows.rows.length > 0 && html`<p class="soft">${endOfRows(rows.rows.length)}</p>`
  );
}

const CUT = "So many events came that the page dropped older ones. To see them, end the live view.";

/** @param {number} count */
const endOfRows = (count) => (count === 1 ? "The only event." : `All ${countText(count)} events.`);
