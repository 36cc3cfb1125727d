/** Paths in `data`: the keys from the outermost to a value, read as the query language writes them. */

/** @typedef {import("./exact.js").Json} Json */

const PREFIX = "data";
const KEYS = /\.(?:"((?:[^"\\]|\\.)*)"|([^."\s]+))/gsy;

/**
 * @param {string} path
 * @returns {string[] | null} null if it is no path
 */
export function keysOf(path) {
  if (!path.startsWith(`${PREFIX}.`)) return null;
  const keys = [];
  KEYS.lastIndex = PREFIX.length;
  while (KEYS.lastIndex < path.length) {
    const found = KEYS.exec(path);
    if (!found) return null;
    keys.push(found[2] ?? (found[1] ?? "").replace(/\\(["\\])/g, "$1"));
  }
  return keys;
}

/**
 * Return the name of a path in parameters and facets; null where keys with dots have none.
 * @param {readonly string[]} keys
 */
export function parameterOf(keys) {
  const isNameless = keys.length === 0 || keys.some((key) => key === "" || key.includes("."));
  return isNameless ? null : [PREFIX, ...keys].join(".");
}

/**
 * Return what stands at the path; undefined if nothing does.
 * @param {Json | undefined} data
 * @param {readonly string[]} keys
 * @returns {Json | undefined}
 */
export function valueAt(data, keys) {
  let value = data;
  for (const key of keys) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/**
 * @param {unknown} value
 * @returns {value is {[key: string]: Json}}
 */
export function isObject(value) {
  if (typeof value !== "object" || value === null) return false;
  return Object.getPrototypeOf(value) === Object.prototype;
}
