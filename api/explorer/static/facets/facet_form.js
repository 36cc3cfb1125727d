/** Where a field to count is written. */
import { useEffect, useRef } from "preact/hooks";

import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { useAnswer } from "../service.js";
import { changeView } from "../view.js";

/**
 * @typedef {import("../view.js").View} View
 * @typedef {import("../service.js").Params} Params
 */

const PLAIN = ["component", "environment", "email"];

/** @param {{view: View, params: Params | null, close: () => void}} props */
export function FacetForm({ view, params, close }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useAction("back", close);
  useEffect(() => field.current?.focus(), []);
  const offered = useOffered(view, params);
  const add = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const name = facetNamed(field.current?.value.trim() ?? "");
    if (name && !view.facets.includes(name)) changeView({ facets: [...view.facets, name] });
    if (name) close();
  };
  return html`<form class="add" onSubmit=${add}>
    <input
      ref=${field}
      list="fields-to-count"
      placeholder="data.customer.tier"
      aria-label="field to count: email, or a path in data"
      maxlength="500"
      autocomplete="off"
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && close()}
    />
    <button type="submit">Add</button>
    <datalist id="fields-to-count">
      ${offered.map(({ name, note }) => html`<option key=${name} value=${name}>${note}</option>`)}
    </datalist>
  </form>`;
}

/**
 * The fields that could be counted: with the keys of the newest events.
 * @param {View} view
 * @param {Params | null} params
 */
function useOffered(view, params) {
  const { answer } = useAnswer(
    "/events/facets",
    params && { ...params, field: "data", values: 100 },
  );
  /** @type {{value: string, count: number}[]} */
  const found = answer?.fields.data?.values ?? [];
  const newest = answer?.fields.data?.newest;
  const paths = found.map(({ value, count }) => ({
    name: value,
    note: `${count} of the newest ${newest}`,
  }));
  const plain = PLAIN.map((name) => ({ name, note: "" }));
  return [...plain, ...paths].filter(({ name }) => !view.facets.includes(name));
}

/** @param {string} name */
function facetNamed(name) {
  if (name === "" || name.startsWith("data.") || PLAIN.includes(name)) return name;
  return `data.${name}`;
}
