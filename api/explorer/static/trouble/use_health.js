/** Looks after the service while the page is watched. */
import { useEffect, useState } from "preact/hooks";

import { addressOf, ask, getJson } from "../service.js";
import { useLag } from "../signals.js";

const LOOK_MS = 5_000;
/** A probe answers within a second, if the service does at all. */
const ANSWER_MS = 5_000;
/** What an answer told of the lag so long ago says nothing of now. */
const LAG_KNOWN_MS = 30_000;

/** @typedef {import("./health.js").Health} Health */

/** @returns {Health} */
export function useHealth() {
  const lag = useLag();
  const [health, setHealth] = useState(/** @type {Health} */ ({}));
  useEffect(() => {
    const control = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const look = async () => {
      clearTimeout(timer);
      if (!document.hidden) {
        const found = await lookAt(control.signal);
        if (control.signal.aborted) return;
        setHealth(found);
        timer = setTimeout(look, LOOK_MS);
      }
    };
    const onVisible = () => document.hidden || void look();
    document.addEventListener("visibilitychange", onVisible);
    void look();
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, []);
  const isKnown = lag !== null && Date.now() - lag.at < LAG_KNOWN_MS;
  return { ...health, lag: isKnown ? lag.seconds : null };
}

/** @param {AbortSignal} signal @returns {Promise<Health>} */
async function lookAt(signal) {
  const [accept, query] = await Promise.all([
    readiness("accept", signal),
    readiness("query", signal),
    readLag(signal),
  ]);
  const servers = query.servers ?? accept.servers;
  // Only who may observe is told of servers, and so may ask for the shards.
  const shards = servers && (await shardsOf(signal));
  return { accept: accept.state, query: query.state, servers, shards };
}

/**
 * Whether events can be accepted, or history be read: told to everybody; the servers only to some.
 * @param {"accept" | "query"} purpose
 * @param {AbortSignal} signal
 * @returns {Promise<{state?: import("./health.js").Readiness, servers?: Record<string, import("./health.js").Server>}>}
 */
async function readiness(purpose, signal) {
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const address = addressOf("/health/ready", { for: purpose });
    const answer = await fetch(address, { signal: patience });
    const body = await answer.json().catch(() => null);
    if (!answer.ok && body?.status !== "unavailable") return {};
    return { state: answer.ok ? "ready" : "unavailable", servers: body?.dependencies };
  } catch {
    return signal.aborted ? {} : { state: "unreachable" };
  }
}

/** @param {AbortSignal} signal */
async function shardsOf(signal) {
  return getJson("/status", {}, { signal }).then(
    ({ body }) => body.shards,
    () => undefined,
  );
}

/**
 * Let the service tell the lag, by the head of an answer for which it reads nothing: so it can tell
 * while PostgreSQL is away too.
 * @param {AbortSignal} signal
 */
async function readLag(signal) {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  await ask("/events/export", {}, { method: "HEAD", signal: patience }).catch(() => null);
}
