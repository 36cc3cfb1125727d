/**
 * What a view asks the service for. Every panel sends these parameters and adds its own: so bars,
 * total, facets, rows, export and tail are answers to the same question.
 */
import { instantOf } from "./times.js";

/**
 * @typedef {import("./view.js").View} View
 * @typedef {import("./service.js").Params} Params
 *
 * @typedef {object} Moment the instant up to which a page shows the history
 * @property {string} to RFC 3339: everything shown was created before it
 * @property {boolean} isSettled whether all that was accepted before it was stored when the panels
 *   asked, so that their answers agree; false if the service could not tell in time
 * @property {number} at when it was taken, by the clock of the browser, in ms
 */

/**
 * Return the parameters of a view at a moment; null as long as there is no moment.
 *
 * The window ends at the moment, or before it if the view says so. So two panels that ask one
 * after the other count the same events, however many are stored between.
 * @param {View} view
 * @param {Moment | null} moment
 * @returns {Params | null}
 */
export function eventParams(view, moment) {
  if (!moment) return null;
  const from = view.from === "all" ? "" : instantOf(view.from, moment.to);
  const to = view.to && view.to !== "now" ? instantOf(endOfDay(view.to), moment.to) : "";
  if (view.by === "occurred_at") {
    return { q: view.q, occurred_from: from, occurred_to: to, to_date: moment.to };
  }
  const isAfter = to === "" || Date.parse(to) >= Date.parse(moment.to);
  return { q: view.q, from_date: from, to_date: isAfter ? moment.to : to };
}

/**
 * A day as an end has the whole day, in UTC, as for the service.
 * @param {string} text
 */
function endOfDay(text) {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return text;
  const end = new Date(Date.parse(text) + 86_400_000);
  return isNaN(end.getTime()) ? text : end.toISOString(); // the service says what is wrong with it
}

/**
 * The same without an end and without relative dates: for the tail, which goes on from there.
 * Null if the window has ended, so that nothing new can come.
 * @param {View} view
 * @param {Moment | null} moment
 * @returns {Params | null}
 */
export function tailParams(view, moment) {
  const params = eventParams(view, moment);
  if (!params || !moment) return null;
  const { to_date, ...open } = params;
  return to_date === moment.to ? open : null;
}

/**
 * The window of the same length before the one of these parameters; null if it has no beginning.
 * @param {Params | null} params
 * @returns {Params | null}
 */
export function periodBefore(params) {
  const [begin, end] = [params?.["from_date"], params?.["to_date"]].map((each) =>
    typeof each === "string" ? Date.parse(each) : NaN,
  );
  if (begin === undefined || end === undefined || !(begin < end)) return null;
  const to = params?.["from_date"] ?? "";
  return { ...params, from_date: new Date(2 * begin - end).toISOString(), to_date: to };
}
