/** How long to wait before asking again. */

/**
 * Seconds that grow with each failure, to `most`; as long as the service says, if it says so.
 * @param {number} failures how many there were before this one
 * @param {number | null} [retryAfter]
 * @param {number} [most]
 */
export const backoff = (failures, retryAfter, most = 30) =>
  Math.max(retryAfter ?? 0, Math.min(2 ** failures, most));

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
