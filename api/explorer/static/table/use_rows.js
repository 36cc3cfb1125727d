/** The rows of a question, in a component. */
import { useEffect, useRef, useState } from "preact/hooks";

import { queryOf } from "../service.js";
import { NO_PAGES, Pages } from "./pages.js";

/**
 * @param {import("../service.js").Params | null} params null: nothing is asked yet
 */
export function useRows(params) {
  const [rows, setRows] = useState(NO_PAGES);
  const pages = useRef(/** @type {Pages | null} */ (null));
  pages.current ??= new Pages(setRows);
  const held = pages.current;
  useEffect(() => {
    if (!params) return undefined;
    held.start(params);
    return () => held.stop();
  }, [params && queryOf(params).toString()]);
  return { ...rows, more: () => held.more(), again: () => held.again() };
}
