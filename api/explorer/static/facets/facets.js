import { html } from "../html.js";

/** Gets {view: View, params: Params | null}. */
export function Facets() {
  return html`<p class="quiet">Facets</p>`;
}
