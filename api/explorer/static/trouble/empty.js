/** In place of rows, where no event matches: what to widen, and what that would find. */
import { html } from "../html.js";
import { countText } from "../times.js";
import { changeView } from "../view.js";
import { useWidenings } from "./use_widenings.js";

/** A term may have 1,000 characters. */
const MAX_SHOWN = 60;

/**
 * @param {{view: import("../view.js").View, moment: import("../filters.js").Moment | null}} props
 */
export function Empty({ view, moment }) {
  const { found, isDone, isKnown } = useWidenings(view, moment);
  const isAll = !view.q.trim() && view.from === "all" && !view.to;
  if (isAll) return html`<div class="empty"><p>No event is stored that you may see.</p></div>`;
  return html`<div class="empty">
    <p><strong>No event matches.</strong></p>
    ${found.length > 0 && html`<p class="quiet">There are:</p>`}
    <ul>
      ${found.map((one) => html`<${Choice} key=${one.name} widening=${one} />`)}
    </ul>
    ${!isDone && html`<p class="quiet" role="status">Counting what a wider question finds …</p>`}
    ${isDone && !found.length && html`<p class="quiet">${nothingText(isKnown)}</p>`}
  </div>`;
}

/** @param {boolean} isKnown */
const nothingText = (isKnown) =>
  isKnown
    ? "A wider question finds nothing either."
    : "What a wider question finds could not be counted in time.";

/** @param {{widening: import("./use_widenings.js").Counted}} props */
function Choice({ widening: { what, changes, count, isWhole } }) {
  const shown = what.length > MAX_SHOWN ? `${what.slice(0, MAX_SHOWN)}…` : what;
  const events = `${isWhole ? "" : "at least "}${countText(count)} ${count === 1 ? "event" : "events"}`;
  return html`<li>
    <button type="button" onClick=${() => changeView(changes)}>
      <span>${events}</span> <bdi>${shown}</bdi>
    </button>
  </li>`;
}
