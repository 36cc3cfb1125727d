import { html } from "../html.js";
import { countText } from "../times.js";
import { changeView } from "../view.js";

/**
 * @typedef {import("../view.js").View} View
 */

/**
 * More rows than these would take too much memory.
 * @param {{rows: readonly import("./columns.js").EventRow[], view: View}} props
 */
export function Full({ rows, view }) {
  const last = rows.at(-1);
  const isByAcceptance = view.by === "created_at";
  return html`<p>
      ${countText(rows.length)} rows are loaded, and the page keeps no more. To see the others,
      narrow the time or the question.
    </p>
    ${
      last &&
      isByAcceptance &&
      html`<button type="button" onClick=${() => changeView(beyond(view, last.created_at))}>
        ${view.order === "desc" ? "Go on with what is older" : "Go on with what is newer"}
      </button>`
    }`;
}

/**
 * The view that begins with the last row, and with those of the same time.
 * @param {View} view
 * @param {string} instant
 * @returns {Partial<View>}
 */
function beyond(view, instant) {
  if (view.order === "asc") return { from: instant, event: "" };
  return { to: new Date(Date.parse(instant) + 1).toISOString(), event: "" };
}
