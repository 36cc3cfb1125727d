import { html } from "../html.js";

/** Gets {view: View}. */
export function Operator() {
  return html`<p class="quiet">Operator</p>`;
}
