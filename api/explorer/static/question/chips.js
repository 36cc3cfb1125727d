import { html } from "../html.js";

/** @param {{view: import("../view.js").View}} props */
export function Chips({ view }) {
  return view.q && html`<span class="chip">${view.q}</span>`;
}
