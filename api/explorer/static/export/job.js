/** The export that runs: it goes on while its dialog is closed. One at a time. */
import { ask, asTrouble } from "../service.js";
import { download } from "./download.js";
import { changeRunning, setRunning } from "./running.js";
import { TooLarge } from "./sinks.js";
import { countAll } from "./total.js";

/** @typedef {import("../service.js").Params} Params */

let control = new AbortController();

/** @param {BeforeUnloadEvent} event */
const holdPage = (event) => event.preventDefault();

/**
 * Begin an export.
 * @param {Params} filters what is exported
 * @param {Params} form `format` and `columns`
 * @param {string} name of the file
 * @param {import("./sinks.js").Sink} sink
 */
export async function startExport(filters, form, name, sink) {
  control = new AbortController();
  const { signal } = control;
  const progress = { rows: 0, bytes: 0, waiting: "" };
  setRunning({ kind: "running", name, total: null, progress, trouble: null, isTooLarge: false });
  addEventListener("beforeunload", holdPage);
  countAll(filters, signal).then(
    (total) => changeRunning({ total }),
    () => undefined,
  );
  try {
    const open = (/** @type {Params} */ params, /** @type {AbortSignal} */ stop) =>
      ask("/events/export", params, { signal: stop, cache: "no-store" });
    const onProgress = drawn((now) => changeRunning({ progress: now }));
    const last = await download({ ...filters, ...form }, signal, { open, sink, onProgress });
    changeRunning({ kind: "done", progress: last });
  } catch (error) {
    if (signal.aborted) changeRunning({ kind: "cancelled" });
    else
      changeRunning({
        kind: "failed",
        trouble: asTrouble(error),
        isTooLarge: error instanceof TooLarge,
      });
  } finally {
    control.abort(); // what still counts is not needed
    removeEventListener("beforeunload", holdPage);
  }
}

/** End the export that runs, and leave no file. */
export const cancelExport = () => control.abort();

/** Forget an export that has ended. */
export const forgetExport = () => setRunning(null);

/**
 * Draw ten times a second at most.
 * @template T
 * @param {(value: T) => void} draw
 * @returns {(value: T) => void}
 */
function drawn(draw) {
  let last = 0;
  return (value) => {
    const now = performance.now();
    if (now - last < 100) return;
    last = now;
    draw(value);
  };
}
