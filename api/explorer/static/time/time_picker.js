import { html } from "../html.js";
import { rangeText, zoneOf } from "../times.js";

/** @param {{view: import("../view.js").View}} props */
export function TimePicker({ view }) {
  return html`<button type="button">${rangeText(view, zoneOf(view))}</button>`;
}
