/** The named views of this browser, in a component. */
import { useEffect, useState } from "preact/hooks";

import { addressOf } from "../service.js";
import { NamedViews, Unkept } from "./store.js";

// Services at other paths of the same host have views of their own.
const KEY = `activity.views ${new URL(addressOf("/")).pathname}`;
const views = new NamedViews(() => localStorage, KEY);

/**
 * @returns {{list: import("./store.js").NamedView[], trouble: string,
 *   change: (act: (views: NamedViews) => void) => boolean}} `change` says whether it was done
 */
export function useViews() {
  const [state, setState] = useState(readViews);
  useEffect(() => {
    // Another tab has changed them.
    const onStorage = (/** @type {StorageEvent} */ { key }) => key === KEY && setState(readViews());
    addEventListener("storage", onStorage);
    return () => removeEventListener("storage", onStorage);
  }, []);
  /** @param {(views: NamedViews) => void} act */
  const change = (act) => {
    const trouble = storeTrouble(() => act(views));
    setState(trouble ? { ...readViews(), trouble } : readViews());
    return !trouble;
  };
  return { ...state, change };
}

function readViews() {
  /** @type {import("./store.js").NamedView[]} */
  let list = [];
  const trouble = storeTrouble(() => void (list = views.list()));
  return { list, trouble };
}

/** @param {() => void} act */
function storeTrouble(act) {
  try {
    act();
    return "";
  } catch (error) {
    if (error instanceof Unkept) return error.message;
    throw error;
  }
}
