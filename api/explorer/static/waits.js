/** How long to wait before asking again. */

const MAX_SECONDS = 30;

/**
 * Seconds that grow with each failure: as long as the service says, and 30 at most by themselves.
 * @param {number} failures how many there were before this one
 * @param {number | null} [retryAfter]
 */
export const backoff = (failures, retryAfter) =>
  Math.max(retryAfter ?? 0, Math.min(2 ** failures, MAX_SECONDS));

/**
 * @param {number} seconds
 * @param {AbortSignal} signal ends it early
 * @returns {Promise<void>}
 */
export function sleep(seconds, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
