/** Which rows have what is looked for, in a component. */
import { useEffect, useRef, useState } from "preact/hooks";

import { patternOf } from "./find.js";
import { Finder } from "./finder.js";

/**
 * @typedef {{hits: readonly number[], isDone: boolean}} Hits
 */

/**
 * @param {readonly import("./columns.js").EventRow[]} rows
 * @param {string} wanted
 * @param {import("./finder.js").Texts} texts the same function until it returns something else
 * @returns {Hits & {pattern: RegExp | null}}
 */
export function useFind(rows, wanted, texts) {
  const [found, setFound] = useState(/** @type {Hits} */ ({ hits: [], isDone: true }));
  const held = useRef(/** @type {Finder | null} */ (null));
  held.current ??= new Finder((hits, isDone) => setFound({ hits, isDone }));
  const finder = held.current;
  const pattern = patternOf(wanted);
  useEffect(() => finder.lookFor(pattern, texts), [wanted, texts]);
  useEffect(() => finder.lookIn(rows), [rows]);
  useEffect(() => () => finder.stop(), []);
  return { ...found, pattern };
}
