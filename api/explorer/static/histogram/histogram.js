import { html } from "../html.js";

/** @param {{view: import("../view.js").View, statistics: import("./statistics.js").Statistics}} props */
export function Histogram({ statistics }) {
  return html`<div class="bars">${statistics.answer?.bars.length}</div>`;
}
