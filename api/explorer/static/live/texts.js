/** What the live view says of itself. Pure. */
import { countText } from "../times.js";
import { faultsOf } from "../trouble/advice.js";
import { LAG_SECONDS } from "../trouble/health.js";

/** Fewer batches than these are read in a moment. */
const BEHIND = 3;

/**
 * @param {import("./session.js").Snapshot} live
 * @returns {{tone: "good" | "held" | "bad", text: string}}
 */
export function stateText({ state, paused, at, begun }) {
  switch (state.kind) {
    case "open":
      return at?.trouble
        ? { tone: "bad", text: at.trouble }
        : { tone: paused ? "held" : "good", text: paused ? "paused" : "live" };
    case "connecting":
      return { tone: "held", text: begun ? "connecting again" : "connecting" };
    case "waiting":
      return { tone: "bad", text: waitingText(state) };
    case "full":
      return { tone: "held", text: "reading waits until the new events are shown" };
    case "gone":
      return { tone: "bad", text: "the history was restored from a backup: begin anew" };
    case "stopped":
      return { tone: "bad", text: faultsOf(state.trouble).join(" ") };
  }
}

/** @param {{seconds: number, due: number, trouble: any}} state */
function waitingText({ seconds, due, trouble }) {
  const left = Math.min(seconds, Math.max(1, Math.ceil((due - Date.now()) / 1000)));
  const why = trouble?.status ? (trouble.detail ?? `answer ${trouble.status}`) : "connection lost";
  return `${why}; again in ${left} s, nothing is missed`;
}

/** How many a second. @param {number | null} perSecond */
export function rateText(perSecond) {
  if (perSecond === null) return "";
  const digits = perSecond > 0 && perSecond < 10 ? 1 : 0;
  return `${perSecond.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}/s`;
}

/**
 * Why the newest rows may not be the newest events; "" if they are, or if it is not known.
 * @param {import("./tail.js").At | null} at
 */
export function lagText(at) {
  if (at?.behind && at.behind >= BEHIND) return `behind: ${countText(at.behind)} batches to read`;
  const lag = at?.lag_seconds ?? 0;
  if (lag > LAG_SECONDS) {
    return `lags: events wait ${countText(Math.round(lag))} s before they are stored`;
  }
  return "";
}
