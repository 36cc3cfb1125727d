import { parameterOf } from "../data_paths.js";
import { html } from "../html.js";
import { MOST_FACETS } from "../facets/adder.js";
import { toggled } from "../table/columns.js";
import { cut, visible } from "../texts.js";
import { changeView } from "../view.js";
import { ExistenceButtons, TermButtons } from "./term_buttons.js";
import { isInner } from "./places.js";

/** @typedef {import("../view.js").View} View */

/**
 * What can be done with a value in `data`.
 * @param {{field: string | null, place: import("./places.js").Place,
 *   value: import("../exact.js").Json, view: View}} props
 */
export function NodeButtons({ field, place, value, view }) {
  const name = `${field ?? "this"} ${isInner(value) ? "" : shortText(value)}`.trim();
  return html`<span class="signs">
    ${
      isInner(value)
        ? html`<${ExistenceButtons} q=${view.q} field=${place.isElement ? null : field} />`
        : html`<${TermButtons} q=${view.q} field=${field} value=${value} name=${name} />`
    }
    ${
      field &&
      !place.isElement &&
      html`<span class="uses">
        <${AsColumn} field=${field} view=${view} />
        ${!isInner(value) && html`<${AsFacet} field=${field} keys=${place.keys ?? []} view=${view} />`}
      </span>`
    }
  </span>`;
}

/** @param {unknown} value */
const shortText = (value) => visible(cut(String(value), 80));

/** @param {{field: string, view: View}} props */
function AsColumn({ field, view }) {
  const columns = toggled(view.columns, field);
  return html`<button
    type="button"
    class="plain sign"
    aria-pressed=${view.columns.includes(field)}
    aria-label=${`${field} as a column`}
    onClick=${() => changeView({ columns }, { replace: true })}
  >
    column
  </button>`;
}

/** @param {{field: string, keys: readonly string[], view: View}} props */
function AsFacet({ field, keys, view }) {
  const name = parameterOf(keys);
  if (name === null) return null;
  const isCounted = view.facets.includes(name);
  if (!isCounted && view.facets.length >= MOST_FACETS) return null;
  const facets = isCounted ? view.facets.filter((other) => other !== name) : [...view.facets, name];
  return html`<button
    type="button"
    class="plain sign"
    aria-pressed=${isCounted}
    aria-label=${`count the values of ${field}`}
    onClick=${() => changeView({ facets }, { replace: true })}
  >
    count
  </button>`;
}
