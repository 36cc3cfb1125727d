import { useState } from "preact/hooks";

import { html } from "../html.js";
import { later } from "../later.js";

const FacetForm = later(() => import("./facet_form.js").then((part) => part.FacetForm));

/**
 * @typedef {import("../view.js").View} View
 * @typedef {import("../service.js").Params} Params
 */

/** As many as the service counts in one request. */
export const MOST_FACETS = 10;

/**
 * Adds a field to those that are counted.
 * @param {{view: View, params: Params | null}} props
 */
export function Adder({ view, params }) {
  const [isOpen, setOpen] = useState(false);
  if (view.facets.length >= MOST_FACETS) return null;
  if (!isOpen) {
    const open = () => setOpen(true);
    return html`<button type="button" class="plain add" onClick=${open}>+ Count a field</button>`;
  }
  return html`<${FacetForm} view=${view} params=${params} close=${() => setOpen(false)} />`;
}
