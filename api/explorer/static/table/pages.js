/** The rows of a question, page after page, in bounded memory. */
import { parseExact } from "../exact.js";
import { asTrouble, ask } from "../service.js";

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {import("../service.js").Params} Params
 * @typedef {import("../service.js").Trouble} Trouble
 * @typedef {{rows: readonly EventRow[], isLoading: boolean, isOutdated: boolean, isWhole: boolean,
 *   isFull: boolean, trouble: Trouble | null}} Rows `isOutdated`: of the question before, while the
 *   first page of this one is on its way; `isWhole`: there are no more; `isFull`: no more are kept
 */

export const FIRST_PAGE = 200;
export const MOST_A_PAGE = 1000;
export const MOST_ROWS = 50_000;
export const MOST_CHARACTERS = 64 * 1024 * 1024;
const CHARACTERS_A_PAGE = 2 * 1024 * 1024;

/** @type {Readonly<Rows>} */
export const NO_PAGES = Object.freeze({
  rows: [],
  isLoading: false,
  isOutdated: false,
  isWhole: false,
  isFull: false,
  trouble: null,
});

/**
 * @param {Params} params
 * @param {AbortSignal} signal
 * @returns {Promise<{events: EventRow[], next: string | null, characters: number}>}
 */
async function readPage(params, signal) {
  const text = await (await ask("/events", params, { signal })).text();
  const { events, next_cursor } = parseExact(text);
  return { events, next: next_cursor, characters: text.length };
}

export class Pages {
  /**
   * @param {(rows: Rows) => void} onChange
   * @param {typeof readPage} [read]
   */
  constructor(onChange, read = readPage) {
    this.onChange = onChange;
    this.read = read;
    this.held = NO_PAGES;
    this.control = new AbortController();
    /** @type {Params} */
    this.params = {};
    /** @type {string | null} */
    this.next = null;
    this.characters = 0;
  }

  /**
   * Ask another question. The rows of the last one stay until its first page is there.
   * @param {Params} params
   */
  start(params) {
    this.stop();
    this.params = params;
    this.next = null;
    this.#set({ isOutdated: true, isWhole: false, isFull: false });
    void this.#load();
  }

  /** Load the next page, if there is one and none is on its way. */
  more() {
    const { isLoading, isWhole, isFull, trouble } = this.held;
    if (!isLoading && !isWhole && !isFull && !trouble) void this.#load();
  }

  /** After trouble: ask for the same page once more. */
  again() {
    if (!this.held.isLoading) void this.#load();
  }

  /** Forget what is on its way. */
  stop() {
    this.control.abort();
  }

  async #load() {
    const control = (this.control = new AbortController());
    this.#set({ isLoading: true, trouble: null });
    const cursor = this.next;
    try {
      const limit = cursor ? this.#limit() : FIRST_PAGE;
      const page = await this.read({ ...this.params, limit, cursor }, control.signal);
      if (!control.signal.aborted) this.#take(page, cursor !== null);
    } catch (error) {
      if (!control.signal.aborted) this.#fail(error);
    }
  }

  /** Rows of the size of those before make a page that comes in a moment. */
  #limit() {
    const each = this.characters / Math.max(1, this.held.rows.length);
    return Math.max(20, Math.min(MOST_A_PAGE, Math.floor(CHARACTERS_A_PAGE / each)));
  }

  /**
   * @param {Awaited<ReturnType<typeof readPage>>} page
   * @param {boolean} isNext
   */
  #take({ events, next, characters }, isNext) {
    const rows = isNext ? [...this.held.rows, ...events] : events;
    this.characters = isNext ? this.characters + characters : characters;
    this.next = next;
    const isFull = rows.length >= MOST_ROWS || this.characters >= MOST_CHARACTERS;
    const isWhole = next === null;
    this.#set({ rows, isLoading: false, isOutdated: false, isWhole, isFull: isFull && !isWhole });
  }

  /** Rows of another question are no answer to this one. @param {unknown} error */
  #fail(error) {
    const rows = this.held.isOutdated ? [] : this.held.rows;
    this.#set({ rows, isLoading: false, isOutdated: false, trouble: asTrouble(error) });
  }

  /** @param {Partial<Rows>} changes */
  #set(changes) {
    this.held = { ...this.held, ...changes };
    this.onChange(this.held);
  }
}
