/** Who uses the page, as `GET /session` tells it. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";

/**
 * @typedef {{id: string, name: string, scopes: string[], components: string[],
 *   environments: string[], events_per_second: number | null, events_per_day: number | null}} Key
 * @typedef {{needs_key: boolean, key: Key | null, is_session: boolean, until: string | null}} Session
 * @typedef {{session: Session, again: () => void}} Who `again` asks once more
 */

const WhoContext = createContext(/** @type {Who | null} */ (null));

/** Tells all that is inside who uses the page. */
export const WhoProvider = WhoContext.Provider;

/** The session and how to ask for it again; null outside of `WhoProvider`. */
export const useWho = () => useContext(WhoContext);

/** @param {Session} session */
export const mustSignIn = (session) => session.needs_key && session.key === null;

/**
 * Whether who uses the page may do what needs this scope. While no key is needed, everybody may.
 * @param {Who | null} who
 * @param {"read" | "write" | "observe" | "admin"} scope
 */
export function mayDo(who, scope) {
  if (!who || !who.session.needs_key) return true;
  return who.session.key?.scopes.includes(scope) ?? false;
}
