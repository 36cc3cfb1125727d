import { useAnswer } from "../service.js";
import { zoneOf } from "../times.js";

/**
 * @typedef {import("../service.js").Trouble} Trouble
 * @typedef {{value: string, count: number}} Value
 * @typedef {{values: Value[], other: number, missing: number}} Groups
 * @typedef {{at: string, count: number, groups: Groups | null}} Bar
 * @typedef {{from: string, to: string, interval: string, total: number, complete: boolean,
 *   covered: {from: string, to: string}, bars: Bar[], next: string | null}} Stats
 * @typedef {import("../service.js").Answer<Stats>} Statistics
 */

/**
 * The counts of a view: bars and total, of one answer.
 * @param {import("../view.js").View} view
 * @param {import("../service.js").Params | null} params
 * @returns {Statistics}
 */
export function useStatistics(view, params) {
  const own = { interval: view.interval, group_by: view.group, tz: zoneOf(view) };
  return useAnswer("/events/stats", params && { ...params, ...own });
}
