/** Instants, relative times, zones, and how they are written. Pure. */

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const UNIT_NAMES = /** @type {Record<string, string>} */ ({ m: "min", h: "h", d: "d" });
const RELATIVE = /^-(\d{1,6})([mhd])$/;

/** The zone of the viewer's machine. */
export const viewerZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Every zone that the browser knows, UTC first. */
export const zones = () => [
  "UTC",
  ...Intl.supportedValuesOf("timeZone").filter((z) => z !== "UTC"),
];

/**
 * Return whether the browser knows a zone: a link may come from a newer one.
 * @param {string} zone
 */
export function isZone(zone) {
  try {
    Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/**
 * The zone in which a view shows times.
 * @param {{zone: string}} view
 */
export const zoneOf = (view) => (view.zone && isZone(view.zone) ? view.zone : viewerZone());

/**
 * Return how many ms a relative time such as `-24h` is before now; null if it isn't one.
 * @param {string} text
 */
export function relativeMs(text) {
  const [, number, unit] = RELATIVE.exec(text) ?? [];
  return number && unit ? Number(number) * UNITS[/** @type {"m" | "h" | "d"} */ (unit)] : null;
}

/**
 * Return the instant that `-24h`, `now` or RFC 3339 means. Other text
 * comes back as it is: the service says what is wrong with it. Relative times are counted from the beginning of the minute, as the service does.
 * @param {string} text
 * @param {string} now an instant
 */
export function instantOf(text, now) {
  if (text === "now") return now;
  const before = relativeMs(text);
  if (before === null) return text;
  const minute = Math.floor(Date.parse(now) / UNITS.m) * UNITS.m;
  return new Date(minute - before).toISOString();
}

/**
 * How a time range is called on its button: `last 24 h`, `all`, or its two instants.
 * @param {{from: string, to: string}} view
 * @param {string} zone
 */
export function rangeText({ from, to }, zone) {
  if (from === "all" && !to) return "all";
  const [, number, unit] = RELATIVE.exec(from) ?? [];
  if (number && unit && !to) return `last ${number} ${UNIT_NAMES[unit]}`;
  const begin = from === "all" ? "first event" : endText(from, zone);
  return `${begin} – ${to ? endText(to, zone) : "now"}`;
}

/**
 * @param {string} text
 * @param {string} zone
 */
function endText(text, zone) {
  const [, number, unit] = RELATIVE.exec(text) ?? [];
  if (number && unit) return `${number} ${UNIT_NAMES[unit]} ago`;
  return text === "now" ? text : formatTime(text, zone, "minute");
}

/** @type {Record<string, Intl.DateTimeFormat>} */
const formats = {};

/**
 * @param {string} zone
 * @returns {Intl.DateTimeFormat}
 */
function formatOf(zone) {
  return (formats[zone] ??= new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }));
}

/**
 * Write an instant in a zone: `full` 2026-10-31 00:58:57.863, `second`, `minute` and `day` are cut
 * off there, `short` is 00:58:57.863. Text that is no instant comes back as it is.
 * @param {string | number} instant RFC 3339 or ms
 * @param {string} zone
 * @param {"full" | "second" | "minute" | "day" | "short"} [style]
 */
export function formatTime(instant, zone, style = "full") {
  const ms = typeof instant === "number" ? instant : Date.parse(instant);
  if (isNaN(ms)) return String(instant);
  const text = formatOf(zone).format(ms);
  if (style === "day") return text.slice(0, 10);
  if (style === "minute") return text.slice(0, 16);
  if (style === "second") return text;
  const full = text + fractionOf(instant, ms);
  return style === "short" ? full.slice(11) : full;
}

/**
 * The fraction of a second as it was given, so that microseconds are not lost.
 * @param {string | number} instant
 * @param {number} ms
 */
function fractionOf(instant, ms) {
  const given = /\.\d+/.exec(String(instant));
  if (typeof instant === "string" && given && given[0].length > 4) return given[0];
  return `.${String(((ms % 1000) + 1000) % 1000).padStart(3, "0")}`;
}

/**
 * Return the instant at which clocks of a zone show a local time (`2026-10-31T00:58:57`), in ms.
 * Of two (clocks go back) the first; of none (clocks go forward) the one after the gap.
 * @param {string} local
 * @param {string} zone
 */
export function instantAt(local, zone) {
  const wanted = Date.parse(`${local}Z`);
  const early = wanted - offsetMs(wanted - UNITS.d, zone);
  const late = wanted - offsetMs(wanted + UNITS.d, zone);
  const isShown = (/** @type {number} */ at) => at + offsetMs(at, zone) === wanted;
  return isShown(early) || !isShown(late) ? early : late;
}

/**
 * How far the clocks of a zone are ahead of UTC at an instant, in ms.
 * @param {number} ms
 * @param {string} zone
 */
export function offsetMs(ms, zone) {
  const second = Math.floor(ms / 1000) * 1000;
  return Date.parse(`${formatOf(zone).format(second).replace(" ", "T")}Z`) - second;
}

/**
 * Write a duration: `250 ms`, `0.3 s`, `4 min`, `3 h`, `12 d`.
 * @param {number} ms
 */
export function durationText(ms) {
  if (ms < 100) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 90 * UNITS.m) return `${Math.round(ms / UNITS.m)} min`;
  if (ms < 48 * UNITS.h) return `${Math.round(ms / UNITS.h)} h`;
  return `${Math.round(ms / UNITS.d)} d`;
}

/**
 * Write a count with its thousands apart: `3,000,000`.
 * @param {number} count
 */
export const countText = (count) => count.toLocaleString("en");

/**
 * Write a count in a small place: `9k`, `1.2M`.
 * @param {number} count
 */
export const shortCount = (count) => compact.format(count).replace("K", "k");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
