import { html } from "../html.js";

/**
 * No event matches: says what to widen.
 * Gets {view: View}.
 */
export function Empty() {
  return html`<p class="quiet">No event matches.</p>`;
}
