import { useEffect, useRef } from "preact/hooks";
import { useAnswer } from "../service.js";

/**
 * Ask at once and then every so many seconds, while the page can be seen.
 * @template [T=any]
 * @param {string} path
 * @param {number} seconds
 * @returns {import("../service.js").Answer<T>}
 */
export function usePolled(path, seconds) {
  const answer = useAnswer(path);
  const latest = useRef(answer);
  latest.current = answer;
  useEffect(() => {
    const ask = () => {
      if (!document.hidden && !latest.current.loading) latest.current.again();
    };
    const timer = setInterval(ask, seconds * 1000);
    document.addEventListener("visibilitychange", ask);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, [seconds]);
  return answer;
}
