/** Cut a download into whole lines, and know where to go on after a break. Pure. */

const LF = 10;
const QUOTE = 34;

/**
 * Takes the parts of an export and gives back whole lines or rows only. So what was given is
 * always a whole part of the export, and `last` is the id behind which it goes on.
 */
export class WholeLines {
  /** @param {"ndjson" | "csv"} format */
  constructor(format) {
    this.isCsv = format === "csv";
    /** Rows that were given, without the names of CSV. */
    this.rows = 0;
    /** @type {string | null} the id in the last row that was given */
    this.last = null;
    this.hasNames = false;
    /** @type {Uint8Array<ArrayBuffer>} what came behind the last whole line */
    this.rest = new Uint8Array(0);
    this.isQuoted = false;
  }

  /** Forget the part of a line that a break cut off. */
  restart() {
    this.rest = new Uint8Array(0);
    this.isQuoted = false;
  }

  /**
   * @param {Uint8Array} part
   * @returns {Uint8Array<ArrayBuffer>} the whole lines that it completes
   */
  add(part) {
    const all = new Uint8Array(this.rest.length + part.length);
    all.set(this.rest);
    all.set(part, this.rest.length);
    const { end, lineBegin, rows } = this.#scan(all);
    if (rows) this.#note(all.subarray(lineBegin, end), rows);
    this.rest = all.slice(end);
    return all.subarray(0, end);
  }

  /**
   * Find the end of the last whole line, and its begin. A line feed in quotes ends no row.
   * @param {Uint8Array} all
   */
  #scan(all) {
    let [end, lineBegin, rows] = [0, 0, 0];
    for (let at = this.rest.length; at < all.length; at += 1) {
      const byte = all[at];
      if (byte === QUOTE && this.isCsv) this.isQuoted = !this.isQuoted;
      else if (byte === LF && !this.isQuoted) {
        [lineBegin, end] = [end, at + 1];
        rows += 1;
      }
    }
    return { end, lineBegin, rows };
  }

  /**
   * @param {Uint8Array} line the last whole one
   * @param {number} rows
   */
  #note(line, rows) {
    const isNames = this.isCsv && !this.hasNames;
    this.rows += rows - (isNames ? 1 : 0);
    this.hasNames = true;
    if (isNames && rows === 1) return;
    const text = new TextDecoder().decode(line);
    this.last = this.isCsv ? (/^"?([^",\r\n]+)/.exec(text)?.[1] ?? null) : JSON.parse(text).id;
  }
}
