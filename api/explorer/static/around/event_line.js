/** One event in a list beside the rows: its time, where it comes from, and what it says. */
import { html } from "../html.js";
import { formatTime } from "../times.js";
import { changeView, linkTo } from "../view.js";

/** A line shows no more of a message: it may have 250 KB. */
const MAX_LINE = 300;

/**
 * @typedef {import("../live/rows.js").EventRow} EventRow
 * @param {{event: EventRow, zone: string, note?: unknown, marked?: boolean, hides?: string}} props
 * `note` stands behind the time; `hides` names a field that is the same everywhere.
 */
export function EventLine({ event, zone, note, marked = false, hides = "" }) {
  const message =
    event.message.length > MAX_LINE ? `${event.message.slice(0, MAX_LINE)}…` : event.message;
  return html`<a
    class=${marked ? "event-line marked" : "event-line"}
    href=${linkTo({ event: event.id, panel: "" })}
    onClick=${(/** @type {MouseEvent} */ click) => openEvent(click, event.id)}
    aria-current=${marked ? "true" : null}
  >
    <span class="event-line-head">
      <time datetime=${event.created_at} title=${formatTime(event.created_at, zone)}>
        ${formatTime(event.created_at, zone, "short")}
      </time>
      ${note && html`<span class="quiet">${note}</span>`}
      ${hides !== "component" && html`<bdi>${event.component}</bdi>`}
      <bdi class="quiet">${event.environment}</bdi>
    </span>
    <bdi class="event-line-message">${message}</bdi>
  </a>`;
}

/**
 * Show the event, unless the click asks for a new tab or window.
 * @param {MouseEvent} click
 * @param {string} event
 */
function openEvent(click, event) {
  if (click.ctrlKey || click.metaKey || click.shiftKey || click.button !== 0) return;
  click.preventDefault();
  changeView({ event, panel: "" });
}
