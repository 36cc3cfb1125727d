/** The selected event: its fields, where it is stored, and what is in its `data`. */
import { useState } from "preact/hooks";

import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { cut, visibleLines } from "../texts.js";
import { countText } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { changeView } from "../view.js";
import { Actions } from "./actions.js";
import { Fields } from "./fields.js";
import { TermButtons } from "./term_buttons.js";
import { Tree } from "./tree.js";
import { useEvent } from "./use_event.js";

const LINES = 8; // of a message that is folded, as in detail.css
const FOLDED = 400; // characters; of more it is folded
const MESSAGE_AT_FIRST = 2000; // characters; more are not seen in so few lines

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

/**
 * A long message is folded, so that what else the event has is in sight.
 * @param {{message: string, q: string}} props
 */
function Message({ message, q }) {
  const isLong = message.length > FOLDED || message.split("\n", LINES + 1).length > LINES;
  const [isFolded, setFolded] = useState(isLong);
  return html`<div class="message">
    <div>
      <p dir="auto" class=${isFolded ? "folded" : ""}>
        ${visibleLines(isFolded ? cut(message, MESSAGE_AT_FIRST) : message)}
      </p>
      ${
        isFolded &&
        html`<button type="button" class="plain" onClick=${() => setFolded(false)}>
          Show all ${countText(message.length)} characters
        </button>`
      }
    </div>
    <span class="signs">
      <${TermButtons} q=${q} field="message" value=${message} name="this message" />
    </span>
  </div>`;
}
