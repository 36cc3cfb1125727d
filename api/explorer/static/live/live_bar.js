/** The line above the rows while the view is live: rate, state, pause, and what waits. */
import { changeView } from "../view.js";
import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { countText } from "../times.js";
import { lagText, rateText, stateText } from "./texts.js";

/** @param {{live: import("./use_live.js").Live}} props */
export function LiveBar({ live }) {
  const pause = () => live.pause(!live.paused);
  useAction("pause", pause);
  useAction("newest", () => (live.count ? live.show() : false));
  const { tone, text } = stateText(live);
  const lag = lagText(live.at);
  return html`<div class="live-line" role="group" aria-label="Live">
    <span class=${`live-state ${tone}`} role="status">${text}</span>
    <span class="quiet live-rate">${rateText(live.perSecond)}</span>
    ${lag && html`<span class="live-lag">${lag}</span>`} ${remarks(live)}
    <span class="grow"></span>
    ${ways(live)}
    <button type="button" aria-pressed=${live.paused} onClick=${pause}>
      ${live.paused ? "Go on" : "Pause"}
    </button>
    <button type="button" onClick=${() => changeView({ live: false })}>End</button>
  </div>`;
}

/** What of the rows is not there. @param {import("./use_live.js").Live} live */
function remarks({ dropped, skipped }) {
  return html`${skipped !== null && html`<span class="quiet">${countText(skipped)} skipped</span>`}
  ${
    dropped > 0 &&
    html`<span class="quiet" title="They are stored: end live to page through them.">
      ${countText(dropped)} older rows dropped
    </span>`
  }`;
}

/** What can be done about it. @param {import("./use_live.js").Live} live */
function ways(live) {
  const { state } = live;
  const { kind } = state;
  const isBehind = (live.at?.behind ?? 0) > 1 || kind === "full";
  return html`${kind === "waiting" && html`<button type="button" onClick=${live.retry}>Try now</button>`}
  ${
    (kind === "gone" || (kind === "stopped" && state.trouble.status !== 422)) &&
    html`<button type="button" onClick=${live.startAnew}>Begin anew</button>`
  }
  ${isBehind && html`<button type="button" onClick=${live.skip}>Skip to now</button>`}`;
}
