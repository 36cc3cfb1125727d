import { html } from "../html.js";

/** Gets {view: View, params: Params | null}. */
export function ExportPanel() {
  return html`<p class="quiet">Export</p>`;
}
