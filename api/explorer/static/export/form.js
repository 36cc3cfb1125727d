/** What an export of a view asks for. Pure. */

/**
 * @typedef {import("../view.js").View} View
 * @typedef {import("../service.js").Params} Params
 * @typedef {"ndjson" | "csv"} Format
 */

/** @type {Record<Format, string>} */
export const TYPES = { ndjson: "application/x-ndjson", csv: "text/csv" };

/**
 * The columns of CSV, as the service names them. `id` is the first: a download goes on behind it.
 * @param {View} view
 */
export function columnsOf(view) {
  const names = view.columns.map((name) => (name === "time" ? "created_at" : name));
  return ["id", ...names.filter((name) => name !== "id")];
}

/**
 * The question of a view as it is written in a program: relative times stay relative.
 * @param {View} view
 * @returns {Params}
 */
export function questionOf({ q, from, to, by }) {
  const [begin, end] =
    by === "occurred_at" ? ["occurred_from", "occurred_to"] : ["from_date", "to_date"];
  return { q, [begin]: from === "all" ? "" : from, [end]: to };
}

/**
 * @param {Format} format
 * @param {number} now in milliseconds
 */
export function fileName(format, now) {
  const instant = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  return `events-${instant}.${format}`;
}
