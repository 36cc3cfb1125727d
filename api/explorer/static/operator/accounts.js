/** Where the accepted events are: rows that add up to what was accepted. Pure. */

/**
 * @typedef {{stored?: number | null, duplicates?: number | null, dead?: number | null,
 *   erased?: number | null}} Shard
 * @typedef {{balanced: boolean | null, accepted: number, trimmed: number, backlog: number,
 *   foreign: number, foreign_backlog: number, queue_unaccounted: number,
 *   accounted: number | null, untrimmed: number | null, since: string | null}} Conservation
 * @typedef {{name: string, count: number | null, hint?: string}} Row
 */

/**
 * Return the rows of both sides of the account. Their sums are equal; unknown rows have null.
 * @param {Conservation} found
 * @param {Shard[]} shards
 * @returns {{came: Row[], went: Row[]}}
 */
export function accountOf(found, shards) {
  const { accounted, untrimmed } = found;
  const stored = sumOfRows(shards, "stored");
  const duplicates = sumOfRows(shards, "duplicates");
  const dead = sumOfRows(shards, "dead");
  const erased = sumOfRows(shards, "erased") ?? 0; // a service of an earlier version has no such count
  const waiting = untrimmed === null ? null : found.backlog - untrimmed;
  const others = found.foreign + found.foreign_backlog;
  const isKnown = stored !== null && duplicates !== null && dead !== null;
  const listed = isKnown ? stored + duplicates + dead + erased : null;
  const rest = accounted === null || listed === null ? 0 : accounted - listed;
  const came = [
    { name: "accepted", count: found.accepted },
    ...amountText(
      "written past the service",
      others,
      "entries that another program put on the queue",
    ),
    ...amountText("came in while this was read", waiting !== null && waiting < 0 ? -waiting : 0),
  ];
  const went = [
    { name: "stored", count: stored },
    { name: "duplicates", count: duplicates, hint: "PostgreSQL had them already" },
    { name: "became dead letters", count: dead, hint: "since counting began" },
    ...amountText("erased", erased, "dropped because their person was erased"),
    ...amountText("of shards that are not listed", rest),
    { name: "waiting", count: waiting === null ? null : Math.max(waiting, 0) },
    ...amountText("unaccounted", unaccountedOf(found)),
  ];
  return { came, went };
}

/**
 * By how much the queue's own counters disagree: positive if events are missing.
 * @param {Conservation} found
 */
function unaccountedOf({ accepted, trimmed, backlog, foreign_backlog }) {
  return accepted + foreign_backlog - trimmed - backlog;
}

/**
 * @param {string} name
 * @param {number} count
 * @param {string} [hint]
 * @returns {Row[]}
 */
const amountText = (name, count, hint) =>
  count === 0 ? [] : [{ name, count, ...(hint && { hint }) }];

/**
 * @param {Shard[]} shards
 * @param {"stored" | "duplicates" | "dead" | "erased"} name
 * @returns {number | null} null if one is unknown
 */
function sumOfRows(shards, name) {
  let sum = 0;
  for (const shard of shards) {
    const count = shard[name];
    if (count === null || count === undefined) return null;
    sum += count;
  }
  return sum;
}
