/** What answers tell besides their body, for whoever watches it: the lag, and that a key is needed. */
import { useEffect, useState } from "preact/hooks";

/**
 * @template T
 * @typedef {{value: T, watchers: Set<(value: T) => void>}} Source a value that components watch
 */

/** @typedef {{seconds: number | null, at: number}} Lag as of `at` (ms); null is unknown */

/** @type {Source<Lag | null>} */
const lag = { value: null, watchers: new Set() };
/** @type {Source<boolean>} */
const signIn = { value: false, watchers: new Set() };

/** What the last answer told of the lag; null before the first one. */
export const useLag = () => useSource(lag);

/** Whether an answer was 401: then the page shows the sign-in. */
export const useSignInWanted = () => useSource(signIn);

export const wantSignIn = () => tell(signIn, true);

/** After signing in. */
export const signedIn = () => tell(signIn, false);

/**
 * Take the header `Activity-Lag` of an answer; null if it has none.
 * @param {string | null} header
 */
export function noteLag(header) {
  if (header === null) return;
  const seconds = Number(header);
  tell(lag, { seconds: Number.isFinite(seconds) ? seconds : null, at: Date.now() });
}

/**
 * @template T
 * @param {Source<T>} source
 * @param {T} value
 */
function tell(source, value) {
  source.value = value;
  for (const watcher of [...source.watchers]) watcher(value);
}

/**
 * @template T
 * @param {Source<T>} source
 * @returns {T}
 */
function useSource(source) {
  const [value, setValue] = useState(() => source.value);
  useEffect(() => {
    const watcher = (/** @type {T} */ next) => setValue(() => next);
    source.watchers.add(watcher);
    watcher(source.value);
    return () => void source.watchers.delete(watcher);
  }, []);
  return value;
}
