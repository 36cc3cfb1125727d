import { Copy } from "../copy.js";
import { writeExact } from "../exact.js";
import { shellQuoted } from "../export/shell.js";
import { html } from "../html.js";
import { addressOf } from "../service.js";
import { changeView, linkTo } from "../view.js";

/** @typedef {import("./use_event.js").FullEvent} FullEvent */

/**
 * What can be done with the event.
 * @param {{event: FullEvent}} props
 */
export function Actions({ event }) {
  const open = (/** @type {string} */ panel) => () => changeView({ panel });
  return html`<div class="actions">
    <button type="button" onClick=${open("around")}>Around it</button>
    ${event.email && html`<button type="button" onClick=${open("person")}>This person</button>`}
    <span class="copies">
      <span class="soft">Copy</span>
      <${Copy} label="JSON" what="the event as JSON" text=${() => jsonOf(event)} />
      <${Copy} label="curl" what="a command that gets the event" text=${() => curlOf(event)} />
      <${Copy} label="Link" what="a link to this view" text=${() => linkToEvent(event)} />
    </span>
  </div>`;
}

/**
 * The event as it was posted, with its id and time.
 * @param {FullEvent} event
 */
function jsonOf(event) {
  return writeExact({ ...event, receipt: undefined }, 2);
}

/** @param {FullEvent} event */
function curlOf({ id }) {
  const key = '${ACTIVITY_KEY:+"-HAuthorization: Bearer $ACTIVITY_KEY"}';
  return `curl ${key} ${shellQuoted(addressOf(`/events/${id}`))}`;
}

/** @param {FullEvent} event */
const linkToEvent = ({ id }) => new URL(linkTo({ event: id, panel: "" }), document.baseURI).href;
