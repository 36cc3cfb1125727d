/** What is known about the health of the service, and what of it is worth a banner. Pure. */
import { countText } from "../times.js";

/** From so many seconds on, the lag is told. */
export const LAG_SECONDS = 5;

/**
 * What the last look found. What is not known is undefined or null, and is never told as good or bad.
 * @typedef {"ready" | "unavailable" | "unreachable"} Readiness
 * @typedef {{state: string, detail?: string}} Server
 * @typedef {{shard: number, backlog: number, lag_seconds: number | null, last_error: string | null}} Shard
 * @typedef {{
 *   accept?: Readiness, query?: Readiness, servers?: Record<string, Server>,
 *   shards?: Shard[] | null, lag?: number | null, ago?: string,
 * }} Health
 * `servers`, `shards`: only for who may observe.
 * @typedef {{name: string, text: string, more?: string}} Warning
 */

/** @type {Record<string, string>} */
const WITHOUT = {
  queue: "New events can't be accepted.",
  database: "The history can't be read or extended.",
  control: "Events are stored more slowly, and pages take longer.",
};

/** @param {Health} health @returns {Warning[]} the worst first */
export function warningsOf(health) {
  if (health.accept === "unreachable" && health.query === "unreachable") {
    return [
      {
        name: "away",
        text: "The service can't be reached. What is shown is from before; it goes on by itself.",
      },
    ];
  }
  return [...serverWarnings(health), ...shardWarnings(health.shards ?? []), ...lagWarnings(health)];
}

/** @param {Health} health @returns {Warning[]} */
function serverWarnings({ servers, accept, query }) {
  const down = Object.entries(servers ?? {}).filter(([, { state }]) => state !== "up");
  if (down.length) {
    return down.map(([name, { detail }]) => ({
      name,
      text: `The ${name} is away. ${WITHOUT[name] ?? ""}`.trim(),
      ...(detail && { more: detail }),
    }));
  }
  /** @type {Warning[]} */
  const found = [];
  if (query === "unavailable")
    found.push({ name: "database", text: "The history can't be read now." });
  if (accept === "unavailable")
    found.push({ name: "queue", text: "New events can't be accepted now." });
  return found;
}

/** @param {Shard[]} shards @returns {Warning[]} */
function shardWarnings(shards) {
  return shards
    .filter(({ last_error, backlog }) => last_error && backlog > 0)
    .map(({ shard, last_error, backlog }) => ({
      name: `shard ${shard}`,
      text: `Shard ${shard} is paused: ${countText(backlog)} ${backlog === 1 ? "event waits" : "events wait"} there.`,
      more: String(last_error),
    }));
}

/** @param {Health} health @returns {Warning[]} */
function lagWarnings({ lag }) {
  if (!lag || lag <= LAG_SECONDS) return [];
  const text = `Storing lags: the oldest waiting event was accepted ${waitText(lag)} ago. The newest events are not shown yet.`;
  return [{ name: "lag", text }];
}

/** @param {number} seconds */
function waitText(seconds) {
  if (seconds < 120) return `${countText(Math.round(seconds))} s`;
  if (seconds < 7200) return `${countText(Math.round(seconds / 60))} min`;
  return `${countText(Math.round(seconds / 3600))} h`;
}
