/** Finds the rows that have a text, in slices, so that the page stays fluent. */
import { has } from "./find.js";

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {(event: EventRow, pattern: RegExp) => string[]} Texts the texts of a row in which the
 *   pattern is looked for, as they are shown
 */

const SLICE = 2000; // rows
const NO_TEXTS = /** @type {readonly EventRow[]} */ (Object.freeze([]));

export class Finder {
  /**
   * @param {(hits: readonly number[], isDone: boolean) => void} onChange
   * @param {(work: () => void) => void} [later]
   */
  constructor(onChange, later = (work) => void setTimeout(work)) {
    this.onChange = onChange;
    this.later = later;
    this.rows = NO_TEXTS;
    /** @type {RegExp | null} */
    this.pattern = null;
    /** @type {Texts} */
    this.texts = () => [];
    /** @type {number[]} */
    this.hits = [];
    this.scanned = 0;
    this.run = 0;
  }

  /**
   * Look for something else, or in other columns.
   * @param {RegExp | null} pattern null: for nothing
   * @param {Texts} texts
   */
  lookFor(pattern, texts) {
    this.pattern = pattern;
    this.texts = texts;
    this.#begin(0);
  }

  /**
   * Look in these rows. If they go on behind those before, only the new ones are looked at.
   * @param {readonly EventRow[]} rows
   */
  lookIn(rows) {
    const last = this.scanned - 1;
    const goesOn = this.scanned > 0 && rows[0] === this.rows[0] && rows[last] === this.rows[last];
    this.rows = rows;
    this.#begin(goesOn ? this.scanned : 0);
  }

  stop() {
    this.run += 1;
  }

  /** @param {number} from */
  #begin(from) {
    this.run += 1;
    this.hits = from ? this.hits : [];
    this.scanned = from;
    this.#slice(this.run);
  }

  /** @param {number} run */
  #slice(run) {
    if (run !== this.run) return;
    const end = this.pattern ? Math.min(this.rows.length, this.scanned + SLICE) : this.rows.length;
    this.hits = [...this.hits, ...this.#hitsUntil(end)];
    this.scanned = end;
    const isDone = end === this.rows.length;
    this.onChange(this.hits, isDone);
    if (!isDone) this.later(() => this.#slice(run));
  }

  /** @param {number} end */
  #hitsUntil(end) {
    const { pattern, texts, rows } = this;
    const found = [];
    for (let at = this.scanned; pattern && at < end; at += 1) {
      const row = rows[at];
      if (row && texts(row, pattern).some((text) => has(text, pattern))) found.push(at);
    }
    return found;
  }
}
