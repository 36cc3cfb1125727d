import { html } from "../html.js";

/** Gets {view: View}. */
export function Detail() {
  return html`<p class="quiet">Detail</p>`;
}
