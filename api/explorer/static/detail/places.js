/** Places in `data`: where a value stands, and how a question names it. Pure. */
import { isObject } from "../data_paths.js";
import { ExactNumber } from "../exact.js";

/**
 * @typedef {import("../exact.js").Json} Json
 * @typedef {{keys: string[] | null, isElement: boolean}} Place `keys`: the path that the query
 *   language has for it, null if it has none; `isElement`: of the array at that path
 * @typedef {{label: string, place: Place, value: Json}} Inner
 */

/** @type {Readonly<Place>} */
export const ROOT = Object.freeze({ keys: [], isElement: false });

/**
 * @param {Json} value
 * @returns {value is Json[] | {[key: string]: Json}}
 */
export const isInner = (value) => Array.isArray(value) || isObject(value);

/** @param {Json} value */
export function sizeOf(value) {
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : 0;
}

/**
 * Return what is directly within a value, from one index on, at most so many.
 * @param {Json} value
 * @param {Place} place
 * @param {number} most
 * @returns {Inner[]}
 */
export function innersOf(value, place, most) {
  if (Array.isArray(value)) {
    const inner = elementOf(place);
    return value.slice(0, most).map((one, at) => ({ label: String(at), place: inner, value: one }));
  }
  if (!isObject(value)) return [];
  return Object.keys(value)
    .slice(0, most)
    .map((key) => ({
      label: key,
      place: keyOf(place, key),
      value: /** @type {Json} */ (value[key]),
    }));
}

/**
 * `data.tags:urgent` finds an element of the array there; of an array in an array it doesn't.
 * @param {Place} place
 * @returns {Place}
 */
function elementOf({ keys, isElement }) {
  return { keys: isElement || keys?.length === 0 ? null : keys, isElement: true };
}

/**
 * @param {Place} place
 * @param {string} key
 * @returns {Place}
 */
function keyOf({ keys, isElement }, key) {
  return { keys: isElement || !keys ? null : [...keys, key], isElement: false };
}

/**
 * @param {Json} value
 * @returns {"text" | "number" | "word" | "inner"}
 */
export function kindOf(value) {
  if (typeof value === "string") return "text";
  if (typeof value === "number" || value instanceof ExactNumber) return "number";
  return isInner(value) ? "inner" : "word";
}
