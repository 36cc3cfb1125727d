import { html } from "../html.js";
import { useAnswer } from "../service.js";
import { changeView } from "../view.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";

/**
 * @param {{view: import("../view.js").View, params: import("../service.js").Params | null}} props
 */
export function Table({ params }) {
  const { answer, trouble, again } = useAnswer("/events", params && { ...params, limit: 100 });
  if (trouble) return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  /** @type {{id: string, message: string}[]} */
  const events = answer?.events ?? [];
  return html`<ul>
    ${events.map(
      (event) =>
        html`<li key=${event.id} onClick=${() => changeView({ event: event.id })}>
          ${event.message}
        </li>`,
    )}
  </ul>`;
}
