/** The selected event: its fields, where it is stored, and what is in its `data`. */
import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { changeView } from "../view.js";
import { Actions } from "./actions.js";
import { Fields } from "./fields.js";
import { LongText } from "./long_text.js";
import { TermButtons } from "./term_buttons.js";
import { Tree } from "./tree.js";
import { useEvent } from "./use_event.js";

/** @param {{view: import("../view.js").View}} props */
export function Detail({ view }) {
  const { event, trouble, again } = useEvent(view.event);
  useAction("back", () => changeView({ event: "", panel: "" }));
  useAction("around", () => changeView({ panel: "around" }));
  useAction("person", () => changeView({ panel: "person" }), Boolean(event?.email));
  if (trouble) return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  if (!event) return html`<p class="soft" role="status">Loading …</p>`;
  const isOutdated = event.id !== view.event;
  return html`<div
    class=${isOutdated ? "event-detail outdated" : "event-detail"}
    aria-busy=${isOutdated}
  >
    <${Message} key=${event.id} message=${event.message} q=${view.q} />
    <${Fields} event=${event} view=${view} />
    <${Actions} event=${event} />
    ${
      event.data !== null && event.data !== undefined
        ? html`<${Tree} key=${event.id} data=${event.data} view=${view} />`
        : html`<p class="soft">No data.</p>`
    }
  </div>`;
}

/** @param {{message: string, q: string}} props */
function Message({ message, q }) {
  return html`<div class="message">
    <p dir="auto"><${LongText} text=${message} /></p>
    <span class="signs">
      <${TermButtons} q=${q} field="message" value=${message} name="this message" />
    </span>
  </div>`;
}
