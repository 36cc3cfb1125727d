/** The live view of a component: follows what is stored while the view is live. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { tailParams } from "../filters.js";
import { ask } from "../service.js";
import { LiveSession } from "./session.js";

/** How often a fast stream is drawn. */
const DRAW_MS = 100;

/**
 * @typedef {import("./session.js").Snapshot & {
 *   count: number, pause: (paused: boolean) => void, setAway: (away: boolean) => void,
 *   show: () => void, startAnew: () => void, skip: () => void, retry: () => void }} Live
 * `count`: how many events wait to be shown. `setAway`: the table says whether it is scrolled away
 * from the newest row.
 */

/**
 * Follow the events of the view from the moment on; null while it is not live, or can't be.
 * @param {import("../view.js").View} view
 * @param {import("../filters.js").Moment | null} moment
 * @param {() => void} refresh takes a new moment: from it on there are live rows
 * @returns {Live | null}
 */
export function useLive(view, moment, refresh) {
  const { q, from, to, by } = view;
  const isReady = view.live && view.order === "desc" && moment !== null;
  // The filters stay those of the beginning, while the moment goes on: else each moment would
  // begin another stream.
  const params = useMemo(
    () => (isReady ? tailParams(view, moment) : null),
    [isReady, q, from, to, by],
  );
  const [shown, setShown] = useState(/** @type {Live | null} */ (null));
  useEffect(() => {
    setShown(null);
    return params ? follow(params, setShown) : undefined;
  }, [params]);
  const begun = useRef(0);
  useEffect(() => {
    if (shown && shown.begun > begun.current) refresh();
    begun.current = shown?.begun ?? 0;
  }, [shown?.begun]);
  return shown;
}

/**
 * @param {import("../service.js").Params} params
 * @param {(live: Live) => void} show
 * @returns {() => void} ends it
 */
function follow(params, show) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const draw = () => {
    timer = undefined;
    show(liveOf(session, setAway));
  };
  const onChange = () => void (timer ??= setTimeout(draw, DRAW_MS));
  const session = new LiveSession({
    open: (place, signal) => openTail(params, place, signal),
    onChange,
  });
  const setAway = (/** @type {boolean} */ away) => session.setAway(away);
  const awake = () => document.hidden || session.retry();
  const clock = setInterval(onChange, 1000);
  document.addEventListener("visibilitychange", awake);
  addEventListener("online", awake);
  session.start();
  return () => {
    session.stop();
    clearTimeout(timer);
    clearInterval(clock);
    document.removeEventListener("visibilitychange", awake);
    removeEventListener("online", awake);
  };
}

/**
 * @param {LiveSession} session
 * @param {(away: boolean) => void} setAway
 * @returns {Live}
 */
function liveOf(session, setAway) {
  const snapshot = session.flush();
  return {
    ...snapshot,
    count: snapshot.waiting.length,
    pause: (paused) => session.pause(paused),
    setAway,
    show: () => session.showNow(),
    startAnew: () => session.startAnew(),
    skip: () => session.start({ skip: true }),
    retry: () => session.retry(),
  };
}

/**
 * Open the stream behind a token, or from now on.
 * @param {import("../service.js").Params} params
 * @param {{after: string | null, skip: boolean}} place
 * @param {AbortSignal} signal
 */
async function openTail(params, { after, skip }, signal) {
  /** @type {Record<string, string>} */
  const headers = after === null ? {} : { "Last-Event-ID": after };
  const asked = skip ? { ...params, skip } : params;
  const answer = await ask("/events/tail", asked, { signal, headers, cache: "no-store" });
  if (!answer.body) throw new Error("The stream has no body.");
  return answer.body;
}
