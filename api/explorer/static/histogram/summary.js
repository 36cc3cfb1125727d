import { html } from "../html.js";
import { useLag } from "../signals.js";
import { countText, durationText, formatTime, zoneOf } from "../times.js";

/**
 * The line of figures: how many events, whether that is exact, how long it took, how fresh it is.
 * What is not known is left out: without an answer to this question there are no figures.
 * @param {{view: import("../view.js").View, moment: import("../filters.js").Moment | null,
 *   statistics: import("./statistics.js").Statistics & {live: number, isCut: boolean}, refresh: () => void}} props
 *   `live`: how many of the events came live; `isCut`: others came too, which are not counted yet
 */
export function Summary({ view, moment, statistics, refresh }) {
  const { answer, ms, loading, live, isCut } = statistics;
  const lag = useLag();
  const zone = zoneOf(view);
  return html`<p class=${loading ? "summary old" : "summary"} role="status">
    ${
      answer
        ? html`<span><b>${countText(answer.total)}</b> events</span>
            ${live > 0 && html`<span>${countText(live)} of them live</span>`}
            <span>${isCut ? "more to count" : howExact(answer, moment, zone)}</span>
            <span>${durationText(ms ?? 0)}</span>
            ${lag && html`<span>${storedText(lag.seconds)}</span>`}`
        : loading && html`<span class="asking">asking …</span>`
    }
    ${
      moment &&
      html`<button type="button" class="plain" title="show what came since" onClick=${refresh}>
        as of ${formatTime(moment.to, zone, "second").slice(11)} ↻
      </button>`
    }
  </p>`;
}

/**
 * @param {import("./statistics.js").Stats} answer
 * @param {import("../filters.js").Moment | null} moment
 * @param {string} zone
 */
function howExact(answer, moment, zone) {
  if (!answer.complete) return `so far, back to ${formatTime(answer.covered.from, zone, "minute")}`;
  return moment?.isSettled ? "exact" : "exact, may still grow";
}

/** @param {number | null} seconds */
function storedText(seconds) {
  if (seconds === null) return "lag unknown";
  return seconds === 0 ? "all stored" : `stored up to ${durationText(seconds * 1000)} ago`;
}
