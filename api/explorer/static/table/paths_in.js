/** The paths in `data` that can be columns. Pure. */
import { isObject } from "../data_paths.js";
import { pathOf } from "../question/written.js";

/**
 * @typedef {import("../exact.js").Json} Json
 * @typedef {import("./columns.js").EventRow} EventRow
 */

/**
 * Return the paths of values in the `data` of events, at most so many.
 * @param {readonly EventRow[]} events
 * @param {number} [most]
 */
export function pathsIn(events, most = 200) {
  const paths = new Set();
  for (const { data } of events) {
    for (const keys of leavesOf(data, [])) {
      if (paths.size < most) paths.add(pathOf(keys));
    }
  }
  return [...paths].sort();
}

const DEEPEST = 4; // keys of a path that is offered

/**
 * @param {Json | undefined} value
 * @param {string[]} keys
 * @returns {Iterable<string[]>}
 */
function* leavesOf(value, keys) {
  if (isObject(value) && keys.length < DEEPEST) {
    for (const key of Object.keys(value)) yield* leavesOf(value[key], [...keys, key]);
  } else if (keys.length > 0) {
    yield keys;
  }
}
