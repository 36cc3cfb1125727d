/** The export that runs: what the page knows of it, also while its dialog is closed. */
import { useEffect, useState } from "preact/hooks";

/**
 * @typedef {{
 *   kind: "running" | "done" | "failed" | "cancelled", name: string, total: number | null,
 *   progress: import("./download.js").Progress, trouble: import("../service.js").Trouble | null,
 *   isTooLarge: boolean,
 * }} Job `total`: null until it is known
 */

/** @type {Job | null} */
let running = null;
/** @type {Set<(job: Job | null) => void>} */
const onlookers = new Set();

/** Tell all that look what runs now, or ran last; null: nothing. @param {Job | null} job */
export function setRunning(job) {
  running = job;
  for (const watcher of [...onlookers]) watcher(running);
}

/** @param {Partial<Job>} changes */
export const changeRunning = (changes) => setRunning(running && { ...running, ...changes });

/** The export that runs or ran last, in a component. @returns {Job | null} */
export function useExport() {
  const [job, setJob] = useState(running);
  useEffect(() => {
    onlookers.add(setJob);
    setJob(running);
    return () => void onlookers.delete(setJob);
  }, []);
  return job;
}
