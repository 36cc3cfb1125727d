import { html } from "../html.js";

/**
 * What went wrong in a panel, and what to do.
 * @param {{trouble: import("../service.js").Trouble, again: () => void}} props
 */
export function PanelTrouble({ trouble, again }) {
  return html`<div class="trouble" role="alert">
    <p>${trouble.detail}</p>
    <button type="button" onClick=${again}>Ask again</button>
  </div>`;
}
