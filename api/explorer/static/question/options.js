import { useAnswer } from "../service.js";
import { fieldOptions, valueOptions } from "./completion.js";
import { facetOf } from "./written.js";

/**
 * @typedef {import("../service.js").Params} Params
 * @typedef {{value: string, count: number}} Value
 * @typedef {{fields: Record<string, {values: Value[], other?: number} | null>}} Facets
 */

const MOST_OPTIONS = 12;

/**
 * What can be chosen where the caret stands: values that there are in the time of the view, and paths
 * in the `data` of the events it shows.
 * @param {import("./completion.js").Place | null} place null asks nothing
 * @param {Params | null} params
 * @returns {import("./completion.js").Option[]}
 */
export function useOptions(place, params) {
  const time = place && timeOf(params);
  const field = place?.kind === "value" ? place.field : "";
  const isName = field === "component" || field === "environment";
  const names = useValues(time, { field: ["component", "environment"], values: 100 });
  const paths = useValues(place && params, { field: "data", values: 100 });
  const hasMore = isName && (names?.[field]?.other ?? 0) > 0 && place?.prefix;
  const more = useValues(hasMore ? time : null, {
    field,
    values: 50,
    [field]: `${place?.prefix}*`,
  });
  const others = useValues(field && !isName ? time : null, { field: facetOf(field), values: 50 });
  if (!place) return [];
  if (place.kind === "field") {
    return fieldOptions(place.prefix, { ...valuesOffered(names), ...valuesOffered(paths) }).slice(
      0,
      MOST_OPTIONS,
    );
  }
  const known = hasMore ? more : isName ? names : others;
  return valueOptions(place, known?.[facetOf(field)]?.values ?? []).slice(0, MOST_OPTIONS);
}

/**
 * @param {Params | null} time
 * @param {Params} asked
 * @returns {Facets["fields"] | null}
 */
function useValues(time, asked) {
  return useAnswer("/events/facets", time && { ...time, ...asked }).answer?.fields ?? null;
}

/** @param {Params | null} params */
function timeOf(params) {
  if (!params) return null;
  return { ...params, q: "" };
}

/** @param {Facets["fields"] | null} fields */
function valuesOffered(fields) {
  const found = Object.entries(fields ?? {});
  return Object.fromEntries(found.map(([field, each]) => [field, each?.values ?? []]));
}
