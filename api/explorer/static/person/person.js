import { html } from "../html.js";

/** Gets {view: View}. */
export function Person() {
  return html`<p class="quiet">Person</p>`;
}
