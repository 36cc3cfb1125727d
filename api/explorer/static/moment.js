/**
 * The moment of the page: one instant for all panels. Taken when the page opens, and again only
 * when somebody asks for what is new: so figures and rows stand still, and agree.
 */
import { useEffect, useState } from "preact/hooks";
import { asTrouble, getJson } from "./service.js";

/** @typedef {import("./filters.js").Moment} Moment */

const NO_EVENT = { q: "id:00000000-0000-0000-0000-000000000000" };
const SETTLE_MS = 1500;
const APPEND_MS = 200; // in which an event that has its time is on the queue, so that it is waited for

/**
 * Ask the service what time it is: where a window without an end ends; the moment is just before.
 * Then wait until all that was accepted is stored, or say that it isn't known.
 * @param {AbortSignal} signal
 * @returns {Promise<Moment>}
 */
async function takeMoment(signal) {
  const { body } = await getJson("/events/stats", NO_EVENT, { signal });
  const to = new Date(Date.parse(body.to) - APPEND_MS).toISOString();
  return { to, isSettled: await settles(signal), at: Date.now() };
}

/** @param {AbortSignal} signal */
async function settles(signal) {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS)]);
  try {
    await getJson("/events", { ...NO_EVENT, limit: 1, fresh: true }, { signal: patience });
    return true;
  } catch (error) {
    if (signal.aborted) throw error;
    return false;
  }
}

/**
 * @returns {{moment: Moment | null, trouble: import("./service.js").Trouble | null,
 *   refresh: () => void}} `refresh` takes a new moment; the last one stays until then
 */
export function useMoment() {
  const [round, setRound] = useState(0);
  const [moment, setMoment] = useState(/** @type {Moment | null} */ (null));
  const [trouble, setTrouble] = useState(
    /** @type {import("./service.js").Trouble | null} */ (null),
  );
  useEffect(() => {
    const control = new AbortController();
    takeMoment(control.signal).then(
      (taken) => (setMoment(taken), setTrouble(null)),
      (error) => control.signal.aborted || setTrouble(asTrouble(error)),
    );
    return () => control.abort();
  }, [round]);
  return { moment, trouble, refresh: () => setRound((last) => last + 1) };
}
