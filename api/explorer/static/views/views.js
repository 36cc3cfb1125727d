import { html } from "../html.js";

/** Gets {view: View}. */
export function Views() {
  return html`<p class="quiet">Views</p>`;
}
