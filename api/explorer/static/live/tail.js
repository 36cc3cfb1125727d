/**
 * Follows what is stored: one connection at a time, resumed by token, so that no event is left out
 * and none comes twice, over any number of breaks.
 *
 * `fetch` and not EventSource: it shows the status and `Retry-After` of a refused stream, lets a
 * stream that is silent be noticed, and resumes behind the last event that was really taken.
 */
import { parseExact } from "../exact.js";
import { backoff, sleep } from "../waits.js";
import { frameReader } from "./sse.js";

/** A stream says something each second: one that is silent for so long is dead, as after sleep. */
export const SILENT_MS = 10_000;
const MAX_WAIT_SECONDS = 10;

/**
 * @typedef {import("./rows.js").EventRow} EventRow
 * @typedef {{lag_seconds: number | null, behind: number | null, trouble: string | null}} At
 * @typedef {{kind: "connecting"} | {kind: "open"} | {kind: "waiting", seconds: number, due: number, trouble: any}
 *   | {kind: "stopped", trouble: any} | {kind: "gone"}} State
 * @typedef {{
 *   open: (place: {after: string | null, skip: boolean}, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>,
 *   onEvents: (events: EventRow[]) => void,
 *   onAt: (at: At) => void,
 *   onSkipped: (missed: number | null) => void,
 *   onErased: (ids: string[]) => void,
 *   onState: (state: State) => void,
 *   sleep?: (seconds: number, signal: AbortSignal) => Promise<void>,
 *   silentMs?: number,
 * }} Needs `open` rejects with a Trouble if the answer is not 200.
 */

export class Tail {
  /** @param {Needs} needs */
  constructor(needs) {
    this.needs = needs;
    /** @type {string | null} the token behind the last event that was taken */
    this.token = null;
    this.stopped = new AbortController();
    this.failures = 0;
    /** Whether the next connection skips what was stored until then. */
    this.skip = false;
    /** @type {State["kind"] | null} */
    this.kind = null;
    /** @type {(() => void) | null} ends a dead connection or a wait, to try at once */
    this.hurry = null;
  }

  /** Follow until `stop`, or until only a person can mend it. */
  async run() {
    while (!this.stopped.signal.aborted) {
      const again = await this.#connect();
      if (!again) return;
    }
  }

  /** End the connection. `token` stays: another `Tail` may go on there. */
  stop() {
    this.stopped.abort();
  }

  /** Try at once: the machine woke up, or is online again. */
  retry() {
    this.hurry?.();
  }

  /** @returns {Promise<boolean>} whether to connect again */
  async #connect() {
    this.#become({ kind: "connecting" });
    try {
      await this.#read();
      return this.#wait(null);
    } catch (trouble) {
      if (this.stopped.signal.aborted) return false;
      const status = /** @type {any} */ (trouble)?.status;
      if (status === 410 || trouble instanceof Gone) {
        this.#become({ kind: "gone" });
        return false;
      }
      if (isFinal(status)) {
        this.#become({ kind: "stopped", trouble });
        return false;
      }
      return this.#wait(trouble);
    }
  }

  async #read() {
    const ended = new AbortController();
    const signal = AbortSignal.any([this.stopped.signal, ended.signal]);
    const watch = watchdog(this.needs.silentMs ?? SILENT_MS, () => ended.abort());
    this.hurry = () => watch.check();
    try {
      const body = await this.needs.open({ after: this.token, skip: this.skip }, signal);
      signal.throwIfAborted();
      const frames = frameReader();
      const decoder = new TextDecoder();
      const reader = body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) return;
        watch.alive();
        this.#take(frames(decoder.decode(value, { stream: true })));
      }
    } finally {
      ended.abort(); // closes the connection, whatever ended the reading
      watch.stop();
      this.hurry = null;
    }
  }

  /** @param {import("./sse.js").Frame[]} frames */
  #take(frames) {
    /** @type {EventRow[]} */
    const events = [];
    for (const { id, event, data } of frames) {
      if (event === "gone") throw new Gone();
      const value = parseExact(data);
      if (event === "message") events.push(value);
      else if (event === "at") this.#at(value);
      else if (event === "skipped") this.#skipped(value);
      else if (event === "erased") this.#erased(value, events.splice(0));
      if (id !== null) this.token = id;
    }
    if (events.length) this.needs.onEvents(events);
  }

  /** @param {At} at */
  #at(at) {
    this.failures = 0;
    this.#become({ kind: "open" });
    this.needs.onAt(at);
  }

  /** @param {{missed: number | null}} skipped */
  #skipped({ missed }) {
    this.skip = false;
    this.needs.onSkipped(missed);
  }

  /** @param {{events: {id: string}[]}} erased @param {EventRow[]} before */
  #erased(erased, before) {
    if (before.length) this.needs.onEvents(before);
    this.needs.onErased(erased.events.map(({ id }) => id));
  }

  /** @param {State} state */
  #become(state) {
    if (state.kind === this.kind && state.kind === "open") return;
    this.kind = state.kind;
    if (!this.stopped.signal.aborted) this.needs.onState(state);
  }

  /**
   * @param {any} trouble
   * @returns {Promise<boolean>}
   */
  async #wait(trouble) {
    if (this.stopped.signal.aborted) return false;
    const seconds = backoff(this.failures, trouble?.retryAfter, MAX_WAIT_SECONDS);
    this.failures += 1;
    this.#become({ kind: "waiting", seconds, due: Date.now() + seconds * 1000, trouble });
    const early = new AbortController();
    this.hurry = () => early.abort();
    await (this.needs.sleep ?? sleep)(
      seconds,
      AbortSignal.any([this.stopped.signal, early.signal]),
    );
    this.hurry = null;
    return !this.stopped.signal.aborted;
  }
}

/** The database was restored: what the token says is of another history. */
class Gone extends Error {}

/** Whether asking again can't help. @param {number | undefined} status */
function isFinal(status) {
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/**
 * Call `onSilence` once nothing was heard for so long: by the clock, which goes on in sleep, or by
 * ticks, where the clock was set back.
 * @param {number} silentMs
 * @param {() => void} onSilence
 */
function watchdog(silentMs, onSilence) {
  const step = Math.min(1000, silentMs);
  let [heard, ticks] = [Date.now(), 0];
  const check = () => {
    ticks += 1;
    if (Date.now() - heard > silentMs || ticks * step > silentMs) onSilence();
  };
  const timer = setInterval(check, step);
  const alive = () => void ([heard, ticks] = [Date.now(), 0]);
  return { alive, check, stop: () => clearInterval(timer) };
}
