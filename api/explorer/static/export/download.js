/** Downloads an export, and goes on behind the last whole line after a break. */
import { backoff, sleep } from "../waits.js";
import { WholeLines } from "./lines.js";

/**
 * @typedef {import("../service.js").Params} Params
 * @typedef {{rows: number, bytes: number, waiting: string}} Progress
 * `waiting`: why nothing comes now; "" if something does.
 * @typedef {{
 *   open: (params: Params, signal: AbortSignal) => Promise<Response>,
 *   sink: import("./sinks.js").Sink, onProgress: (progress: Progress) => void,
 *   sleep?: (seconds: number, signal: AbortSignal) => Promise<void>,
 * }} Needs `open` rejects with a Trouble if the answer is not 200.
 */

/**
 * Write all events that match into the sink. Rejects if it is aborted, or if only a person can mend it;
 * then the sink has been aborted.
 * @param {Params} params of the export, with its `format`
 * @param {AbortSignal} signal
 * @param {Needs} needs
 * @returns {Promise<Progress>}
 */
export async function download(params, signal, needs) {
  const lines = new WholeLines(params.format === "csv" ? "csv" : "ndjson");
  const progress = { rows: 0, bytes: 0, waiting: "" };
  let asked = params;
  let failures = 0;
  try {
    for (;;) {
      try {
        const answer = await needs.open(asked, signal);
        asked = { now: answer.headers.get("activity-now"), ...asked };
        await copy(answer, lines, progress, needs, () => (failures = 0));
        await needs.sink.close();
        return progress;
      } catch (error) {
        if (signal.aborted || !isPassing(error)) throw error;
        await pause(error, failures, progress, signal, needs);
        failures += 1;
        lines.restart();
        if (lines.last) asked = { ...asked, cursor: lines.last };
      }
    }
  } catch (error) {
    await needs.sink.abort().catch(() => undefined);
    throw error;
  }
}

/**
 * @param {Response} answer
 * @param {WholeLines} lines
 * @param {Progress} progress
 * @param {Needs} needs
 * @param {() => void} onLines
 */
async function copy(answer, lines, progress, { sink, onProgress }, onLines) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(broken);
    if (done) break;
    const whole = lines.add(value);
    if (!whole.length) continue;
    await sink.write(whole).catch((error) => reader.cancel().then(() => Promise.reject(error)));
    Object.assign(progress, {
      rows: lines.rows,
      bytes: progress.bytes + whole.length,
      waiting: "",
    });
    onProgress({ ...progress });
    onLines();
  }
  if (lines.rest.length) throw new Broken();
}

/** The connection ended in the middle. */
class Broken extends Error {}

/** @returns {never} */
function broken() {
  throw new Broken("The connection broke off.");
}

/** Whether asking again may help. @param {any} error */
function isPassing(error) {
  if (error instanceof Broken) return true;
  const status = error?.status;
  return (
    status === 0 ||
    status === 408 ||
    status === 429 ||
    status === 502 ||
    status === 503 ||
    status === 504
  );
}

/**
 * @param {any} error
 * @param {number} failures
 * @param {Progress} progress
 * @param {AbortSignal} signal
 * @param {Needs} needs
 */
async function pause(error, failures, progress, signal, { onProgress, sleep: rest = sleep }) {
  const seconds = backoff(failures, error.retryAfter);
  progress.waiting = `${error.detail ?? "The connection broke off."} Goes on in ${Math.ceil(seconds)} s.`;
  onProgress({ ...progress });
  await rest(seconds, signal);
  signal.throwIfAborted();
}
