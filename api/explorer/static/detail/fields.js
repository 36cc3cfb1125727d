import { html } from "../html.js";
import { visible } from "../texts.js";
import { formatTime, zoneOf } from "../times.js";
import { TermButtons } from "./term_buttons.js";

/**
 * @typedef {import("./use_event.js").FullEvent} FullEvent
 * @typedef {import("../view.js").View} View
 */

const ASKED = /** @type {const} */ (["component", "environment", "email"]);

/** @type {Record<string, string>} */
const RECEIPTS = {
  queued: "queued: on the disk of the queue, not in the history yet",
  stored: "stored: in PostgreSQL",
  dead: "dead: PostgreSQL refused it; an operator decides",
};

/** @param {{event: FullEvent, view: View}} props */
export function Fields({ event, view }) {
  const zone = zoneOf(view);
  return html`<dl class="fields">
    <${Time} name="created_at" instant=${event.created_at} zone=${zone} />
    ${
      event.occurred_at &&
      html`<${Time} name="occurred_at" instant=${event.occurred_at} zone=${zone} />`
    }
    ${ASKED.filter((name) => event[name]).map(
      (name) => html`<${Asked} key=${name} name=${name} value=${event[name]} q=${view.q} />`,
    )}
    <dt>id</dt>
    <dd class="mono">${event.id}</dd>
    <dt>receipt</dt>
    <dd class=${event.receipt === "dead" ? "bad" : ""}>
      ${RECEIPTS[event.receipt] ?? event.receipt}
    </dd>
  </dl>`;
}

/** @param {{name: string, instant: string, zone: string}} props */
function Time({ name, instant, zone }) {
  return html`<dt>${name}</dt>
    <dd>
      <time datetime=${instant} title=${instant}>${formatTime(instant, zone)}</time>
      <span class="soft"> ${zone}</span>
    </dd>`;
}

/** @param {{name: string, value: string, q: string}} props */
function Asked({ name, value, q }) {
  return html`<dt>${name}</dt>
    <dd class="asked">
      <bdi class="value">${visible(value)}</bdi>
      <span class="signs">
        <${TermButtons} q=${q} field=${name} value=${value} name=${`${name} ${visible(value)}`} />
      </span>
    </dd>`;
}
