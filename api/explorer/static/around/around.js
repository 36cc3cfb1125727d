import { html } from "../html.js";

/** Gets {view: View}. */
export function Around() {
  return html`<p class="quiet">Around</p>`;
}
