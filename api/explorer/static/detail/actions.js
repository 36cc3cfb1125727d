import { html } from "../html.js";
import { changeView } from "../view.js";

/**
 * What can be done with the event.
 * @param {{event: import("./use_event.js").FullEvent}} props
 */
export function Actions({ event }) {
  const open = (/** @type {string} */ panel) => () => changeView({ panel });
  return html`<div class="actions">
    <button type="button" onClick=${open("around")}>Around it</button>
    ${event.email && html`<button type="button" onClick=${open("person")}>This person</button>`}
  </div>`;
}
