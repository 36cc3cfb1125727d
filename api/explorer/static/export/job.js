/** The export that runs: it goes on while its dialog is closed. One at a time. */
import { useEffect, useState } from "preact/hooks";

import { ask, asTrouble } from "../service.js";
import { download } from "./download.js";
import { TooLarge } from "./sinks.js";
import { countAll } from "./total.js";

/**
 * @typedef {import("../service.js").Params} Params
 * @typedef {{
 *   kind: "running" | "done" | "failed" | "cancelled", name: string, total: number | null,
 *   progress: import("./download.js").Progress, trouble: import("../service.js").Trouble | null,
 *   isTooLarge: boolean,
 * }} Job `total`: null until it is known
 */

/** @type {Job | null} */
let current = null;
let control = new AbortController();
/** @type {Set<(job: Job | null) => void>} */
const watchers = new Set();

/** @param {Partial<Job>} changes */
function change(changes) {
  current = current && { ...current, ...changes };
  for (const watcher of [...watchers]) watcher(current);
}

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
  current = { kind: "running", name, total: null, progress, trouble: null, isTooLarge: false };
  addEventListener("beforeunload", holdPage);
  countAll(filters, signal).then(
    (total) => change({ total }),
    () => undefined,
  );
  try {
    const open = (/** @type {Params} */ params, /** @type {AbortSignal} */ stop) =>
      ask("/events/export", params, { signal: stop, cache: "no-store" });
    const onProgress = drawn((now) => change({ progress: now }));
    const last = await download({ ...filters, ...form }, signal, { open, sink, onProgress });
    change({ kind: "done", progress: last });
  } catch (error) {
    if (signal.aborted) change({ kind: "cancelled" });
    else
      change({ kind: "failed", trouble: asTrouble(error), isTooLarge: error instanceof TooLarge });
  } finally {
    control.abort(); // what still counts is not needed
    removeEventListener("beforeunload", holdPage);
  }
}

/** End the export that runs, and leave no file. */
export const cancelExport = () => control.abort();

/** Forget an export that has ended. */
export function forgetExport() {
  if (current?.kind === "running") return;
  current = null;
  change({});
}

/** The export that runs or ran last, in a component. @returns {Job | null} */
export function useExport() {
  const [job, setJob] = useState(current);
  useEffect(() => {
    watchers.add(setJob);
    setJob(current);
    return () => void watchers.delete(setJob);
  }, []);
  return job;
}

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
