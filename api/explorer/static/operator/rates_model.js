/** The minutes of the last hour, as they are drawn and told. Pure. */
import { countText } from "../times.js";
import { known } from "./texts.js";

/**
 * @typedef {{minute: string, accepted: number | null, stored: number | null,
 *   duplicates: number | null, dead: number | null, erased: number | null,
 *   rejected: number | null}} Minute
 * @typedef {"accepted" | "stored" | "rejected"} Field
 */

/**
 * Return what is drawn: the counts, and full bars where a count is not known.
 * @param {Minute[]} minutes
 * @param {Field} field
 */
export function barsOf(minutes, field) {
  const counts = minutes.map((minute) => minute[field]);
  const top = Math.max(1, ...counts.map((count) => count ?? 0));
  return {
    starts: minutes.map(({ minute }) => Date.parse(minute) / 1000),
    counts,
    unknown: counts.map((count) => (count === null ? top : null)),
    top,
  };
}

/**
 * Say in words what a chart shows.
 * @param {Minute[]} minutes
 * @param {Field} field
 */
export function summaryOf(minutes, field) {
  const counts = minutes.map((minute) => minute[field]);
  const found = counts.filter((count) => count !== null);
  const missing = counts.length - found.length;
  if (found.length === 0) return `unknown in all ${counts.length} minutes`;
  const sum = found.reduce((a, b) => a + b, 0);
  const parts = [`${countText(sum)} in ${found.length} min`];
  if (missing > 0) parts.push(`${missing} min unknown`);
  parts.push(`at most ${countText(Math.max(...found))} a minute`);
  return parts.join(", ");
}

/**
 * Say what happened in one minute.
 * @param {Minute} minute
 */
export const minuteText = ({ accepted, stored, duplicates, dead, erased, rejected }) =>
  `accepted ${known(accepted)}, stored ${known(stored)}, duplicates ${known(duplicates)}, ` +
  `dead letters ${known(dead)}, erased ${known(erased)}, rejected ${known(rejected)}`;
