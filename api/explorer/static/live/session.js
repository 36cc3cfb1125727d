/** A live view: the rows that came, those that wait to be shown, and where the stream stands. */
import { Rate } from "./rate.js";
import { MAX_ROWS, joinedRows } from "./rows.js";
import { Tail } from "./tail.js";

/**
 * @typedef {import("./rows.js").EventRow} EventRow
 * @typedef {import("./tail.js").State | {kind: "full"}} LiveState
 * `full`: as many events wait as are kept; reading goes on, without a gap, once they are shown.
 * @typedef {{
 *   rows: EventRow[], waiting: EventRow[], dropped: number, paused: boolean, away: boolean,
 *   shown: number, begun: number, state: LiveState, at: import("./tail.js").At | null, skipped: number | null,
 *   perSecond: number | null,
 * }} Snapshot
 * `begun`: grows each time when all events from then on come; a page read after that leaves no gap.
 *   It grows too when events were erased, since pages that were read before may have them.
 * `shown`: grows each time when the reader asks for what waits.
 * `dropped`: rows that were the oldest; pages are older still, so they don't follow on the rows.
 */

export class LiveSession {
  /**
   * @param {{open: import("./tail.js").Needs["open"], onChange: () => void, now?: () => number,
   *   tail?: Partial<import("./tail.js").Needs>, most?: number}} needs
   *   `most`: how many rows are kept
   */
  constructor({ open, onChange, now = () => performance.now(), tail = {}, most = MAX_ROWS }) {
    this.open = open;
    this.onChange = onChange;
    this.now = now;
    this.options = tail;
    this.most = most;
    this.rate = new Rate(now());
    this.hasBegun = false;
    /** @type {Tail | null} */
    this.tail = null;
    /** @type {Snapshot} */
    this.held = {
      rows: [],
      waiting: [],
      dropped: 0,
      paused: false,
      away: false,
      shown: 0,
      begun: 0,
      state: { kind: "connecting" },
      at: null,
      skipped: null,
      perSecond: null,
    };
  }

  /** Begin, or go on behind the last event that was taken. @param {{skip?: boolean}} [how] */
  start({ skip = false } = {}) {
    const token = this.tail?.token ?? null;
    this.tail?.stop();
    this.tail = new Tail({
      open: this.open,
      onEvents: (events) => this.#take(events),
      onAt: (at) => this.#at(at),
      onSkipped: (missed) => this.#skipped(missed),
      onErased: (ids) => this.#erased(ids),
      onState: (state) => this.#set({ state }),
      ...this.options,
    });
    this.tail.token = token;
    this.tail.skip = skip && token !== null;
    void this.tail.run();
  }

  /** Forget where the stream was, and begin anew from now on. */
  startAnew() {
    this.stop();
    this.tail = null;
    this.#set({ rows: [], waiting: [], dropped: 0, skipped: null, at: null });
    this.hasBegun = false;
    this.start();
  }

  /** End the connection. */
  stop() {
    this.tail?.stop();
  }

  /** Try at once, if nothing was heard for long or the next attempt waits. */
  retry() {
    this.tail?.retry();
  }

  /** Hold what comes, or go on. @param {boolean} paused */
  pause(paused) {
    this.#set({ paused });
  }

  /** Say whether the reader has scrolled away from the newest row. @param {boolean} away */
  setAway(away) {
    if (away === this.held.away) return;
    this.#set({ away });
  }

  /** Show what waits, because the reader asks for it. */
  showNow() {
    this.#set({ shown: this.held.shown + 1 });
    this.#show();
  }

  #show() {
    const { rows, dropped } = joinedRows(this.held.rows, this.held.waiting, this.most);
    const wasFull = this.held.state.kind === "full";
    this.#set({ rows, waiting: [], dropped: this.held.dropped + dropped });
    if (wasFull) this.start();
  }

  /** Show what came, unless it is held back, and tell where everything stands. @returns {Snapshot} */
  flush() {
    this.#showIfWatched();
    return { ...this.held, perSecond: this.rate.perSecond(this.now()) };
  }

  #showIfWatched() {
    if (!this.held.paused && !this.held.away && this.held.waiting.length) this.#show();
  }

  /** @param {EventRow[]} events */
  #take(events) {
    this.rate.add(events.length, this.now());
    this.held.waiting.push(...events);
    if (this.held.waiting.length >= this.most) {
      this.tail?.stop();
      this.#set({ state: { kind: "full" } });
    }
    this.onChange();
  }

  /** @param {import("./tail.js").At} at */
  #at(at) {
    const begun = this.held.begun + (this.hasBegun ? 0 : 1);
    this.hasBegun = true;
    this.#set({ at, begun });
  }

  /** @param {number | null} missed */
  #skipped(missed) {
    const begun = this.held.begun + 1;
    this.#set({ rows: [], waiting: [], dropped: 0, skipped: missed, begun });
  }

  /** Take out what was deleted or written over: the page has the latter. @param {string[]} ids */
  #erased(ids) {
    const gone = new Set(ids);
    const left = (/** @type {EventRow[]} */ rows) => rows.filter(({ id }) => !gone.has(id));
    const { rows, waiting, begun } = this.held;
    this.#set({ rows: left(rows), waiting: left(waiting), begun: begun + 1 });
  }

  /** @param {Partial<Snapshot>} changes */
  #set(changes) {
    Object.assign(this.held, changes);
    this.onChange();
  }
}
