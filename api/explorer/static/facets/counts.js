/** What is shown of the counts of a field. The rows add up to the total. Pure. */

/**
 * @typedef {{value: string, count: number}} Count
 * @typedef {{values: Count[], other: number, missing: number, distinct: number | null}} Field
 * @typedef {{total: number, complete: boolean, covered: {from: string, to: string} | null,
 *   fields: Record<string, Field | null>}} Answer of `/events/facets`
 * @typedef {{values: Count[], other: number, otherValues: number | null, missing: number}} Shown
 *   `otherValues`: how many values `other` counts, null if that isn't known
 */

export const FEW = 10; // values that are shown at first

/**
 * @param {Field} field
 * @param {{isAll: boolean, wanted: string}} how `wanted`: only values with this text in them; what
 *   the others count is `other`
 * @returns {Shown}
 */
export function shownOf({ values, other, missing, distinct }, { isAll, wanted }) {
  const text = wanted.toLocaleLowerCase();
  const found = values.filter(({ value }) => value.toLocaleLowerCase().includes(text));
  const shown = isAll || text ? found : found.slice(0, FEW);
  const named = countsOf(values) - countsOf(shown);
  return {
    values: shown,
    other: other + named,
    otherValues: distinct === null ? null : distinct - shown.length,
    missing,
  };
}

/** @param {readonly Count[]} values */
const countsOf = (values) => values.reduce((sum, { count }) => sum + count, 0);

/**
 * Return whether a value in `data` is an object or an array: no term of a question finds it.
 * @param {string} field
 * @param {string} value
 */
export function isWithin(field, value) {
  if (!field.startsWith("data.") || !/^[[{]/.test(value)) return false;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}
