/** The timeline of a person: the events of the selected event's email, cut into sessions. */
import { EventLine } from "../around/event_line.js";
import { html } from "../html.js";
import { useAnswer } from "../service.js";
import { visible } from "../texts.js";
import { countText, durationText, formatTime, zoneOf } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { changeView } from "../view.js";
import { sessionsOf } from "./sessions.js";
import { useTimeline } from "./timeline.js";

/** @param {{view: import("../view.js").View}} props */
export function Person({ view }) {
  const { answer, trouble, again } = useAnswer(`/events/${encodeURIComponent(view.event)}`);
  const email = answer?.email ?? null;
  return html`<header class="panel-head">
      <h2><bdi>${email ? visible(email) : "This person"}</bdi></h2>
      <button type="button" onClick=${() => changeView({ panel: "" })}>Detail</button>
    </header>
    ${trouble && html`<${PanelTrouble} trouble=${trouble} again=${again} />`}
    ${answer && !email && html`<p>This event has no email.</p>`}
    ${email && html`<${Timeline} key=${email} email=${email} view=${view} />`}`;
}

/** @param {{email: string, view: import("../view.js").View}} props */
function Timeline({ email, view }) {
  const { timeline, trouble, more } = useTimeline(email);
  const isWhole = timeline?.cursor === null;
  const sessions = sessionsOf(timeline?.events ?? []);
  return html`${!timeline && !trouble && html`<p class="quiet" role="status">Looking …</p>`}
  ${timeline && html`<p class="quiet">${summaryText(timeline.events.length, sessions.length, isWhole)}</p>`}
  ${sessions.map((session, at) => {
    const isOpen = !isWhole && at === sessions.length - 1;
    return html`<${Session} key=${session.end} session=${session} isOpen=${isOpen} view=${view} />`;
  })}
  ${trouble && html`<${PanelTrouble} trouble=${trouble} again=${more} />`}
  ${timeline && !isWhole && html`<p class="more"><button type="button" onClick=${more}>More earlier</button></p>`}`;
}

/**
 * @param {number} events
 * @param {number} sessions
 * @param {boolean} isWhole
 */
function summaryText(events, sessions, isWhole) {
  const text = `${countText(events)} ${plural(events, "event")} in ${countText(sessions)} ${plural(sessions, "session")}`;
  return isWhole ? `${text}; that is all` : `The newest ${text}`;
}

/**
 * `isOpen`: earlier events, which are not loaded yet, may belong to it.
 * @param {{session: import("./sessions.js").Session, isOpen: boolean, view: import("../view.js").View}} props
 */
function Session({ session, isOpen, view }) {
  const { events, begin, end, ms, gapMs } = session;
  const zone = zoneOf(view);
  const atLeast = isOpen ? "at least " : "";
  return html`<section class="session">
    <h3>
      <time datetime=${begin}>${formatTime(begin, zone, "minute")}</time>
      ${events.length > 1 && ` – ${formatTime(end, zone, "minute").slice(sameDay(begin, end, zone) ? 11 : 0)}`}
      ${" "}
      <span class="quiet">
        ${atLeast}${durationText(ms)}, ${countText(events.length)} ${plural(events.length, "event")}
      </span>
    </h3>
    <ol class="event-lines">
      ${events.map((event) => {
        const marked = event.id === view.event;
        return html`<li key=${event.id}>
          <${EventLine} event=${event} zone=${zone} marked=${marked} />
        </li>`;
      })}
    </ol>
    ${gapMs !== null && html`<p class="gap quiet">${durationText(gapMs)} without events</p>`}
  </section>`;
}

/**
 * @param {string} one
 * @param {string} other
 * @param {string} zone
 */
const sameDay = (one, other, zone) =>
  formatTime(one, zone, "day") === formatTime(other, zone, "day");

/**
 * @param {number} count
 * @param {string} word
 */
const plural = (count, word) => (count === 1 ? word : `${word}s`);
