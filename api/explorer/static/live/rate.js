/** How many events a second arrive, over the last ten seconds. Pure. */

const SECONDS = 10;

/** Counts arrivals by the second of a clock that never goes back (`performance.now()`). */
export class Rate {
  /** @param {number} now in milliseconds */
  constructor(now) {
    this.since = now;
    /** @type {{second: number, count: number}[]} */
    this.counts = [];
  }

  /**
   * @param {number} count
   * @param {number} now
   */
  add(count, now) {
    const second = Math.floor(now / 1000);
    const last = this.counts.at(-1);
    if (last?.second === second) last.count += count;
    else this.counts.push({ second, count });
    this.counts = this.counts.filter((one) => one.second > second - SECONDS);
  }

  /**
   * The mean of the last ten seconds; null until a whole second was seen.
   * @param {number} now
   * @returns {number | null}
   */
  perSecond(now) {
    const seen = Math.min(SECONDS, (now - this.since) / 1000);
    if (seen < 1) return null;
    const first = Math.floor(now / 1000) - SECONDS;
    const recent = this.counts.filter((one) => one.second > first);
    return recent.reduce((sum, one) => sum + one.count, 0) / seen;
  }
}
