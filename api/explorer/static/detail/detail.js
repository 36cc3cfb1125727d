/** The selected event: its fields, where it is stored, and what is in its `data`. */
import { html } from "../html.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { Actions } from "./actions.js";
import { Fields } from "./fields.js";
import { LongText } from "./long_text.js";
import { Tree } from "./tree.js";
import { useEvent } from "./use_event.js";

/** @param {{view: import("../view.js").View}} props */
export function Detail({ view }) {
  const { event, trouble, again } = useEvent(view.event);
  if (trouble) return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  if (!event) return html`<p class="soft" role="status">Loading …</p>`;
  const isOutdated = event.id !== view.event;
  return html`<div class=${isOutdated ? "detail outdated" : "detail"} aria-busy=${isOutdated}>
    <p class="message" dir="auto"><${LongText} key=${event.id} text=${event.message} /></p>
    <${Fields} event=${event} view=${view} />
    <${Actions} event=${event} />
    ${
      event.data !== null && event.data !== undefined
        ? html`<${Tree} key=${event.id} data=${event.data} view=${view} />`
        : html`<p class="soft">No data.</p>`
    }
  </div>`;
}
