import { html } from "../html.js";
import { changeView } from "../view.js";

/** @param {{view: import("../view.js").View}} props */
export function Question({ view }) {
  const changed = (/** @type {Event} */ event) =>
    changeView({ q: /** @type {HTMLInputElement} */ (event.target).value });
  return html`<input class="question" aria-label="question" value=${view.q} onChange=${changed} />`;
}
