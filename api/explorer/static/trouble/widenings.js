/** What could be widened in a view that shows nothing. Pure. */
import { termsOf, withoutTerm } from "../question/terms.js";

/**
 * @typedef {import("../view.js").View} View
 * @typedef {{name: string, what: string, changes: Partial<View>}} Widening
 */

const MAX_TERMS = 3;

/**
 * The widenings of a view, the likeliest first: all of the time, then without one term, the last
 * one first; then with neither time nor terms.
 * @param {View} view
 * @returns {Widening[]}
 */
export function wideningsOf(view) {
  /** @type {Widening[]} */
  const found = [];
  const isTimed = view.from !== "all" || view.to !== "";
  if (isTimed)
    found.push({ name: "time", what: "over all of the time", changes: { from: "all", to: "" } });
  for (const term of termsOf(view.q).reverse().slice(0, MAX_TERMS)) {
    const { text } = term;
    found.push({ name: text, what: `without ${text}`, changes: { q: withoutTerm(view.q, term) } });
  }
  if (isTimed && view.q.trim()) {
    found.push({
      name: "all",
      what: "without any filter",
      changes: { q: "", from: "all", to: "" },
    });
  }
  return found;
}
