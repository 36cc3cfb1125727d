import { parameterOf } from "../data_paths.js";
import { html } from "../html.js";
import { MOST_FACETS } from "../facets/adder.js";
import { toggled } from "../table/column_menu.js";
import { changeView } from "../view.js";
import { ExistenceButtons, TermButtons } from "./term_buttons.js";
import { isInner } from "./places.js";

/**
 * What can be done with a value in `data`.
 * @param {{field: string | null, place: import("./places.js").Place,
 *   value: import("../exact.js").Json, view: import("../view.js").View}} props
 */
export function NodeButtons({ field, place, value, view }) {
  const name = `${field ?? "this"} ${isInner(value) ? "" : shortText(value)}`.trim();
  return html`<span class="signs">
    ${
      isInner(value)
        ? html`<${ExistenceButtons} q=${view.q} field=${place.isElement ? null : field} />`
        : html`<${TermButtons} q=${view.q} field=${field} value=${value} name=${name} />`
    }
    ${field && !place.isElement && html`<${Uses} field=${field} keys=${place.keys ?? []} view=${view} />`}
  </span>`;
}

/** @param {unknown} value */
const shortText = (value) => String(value).slice(0, 80);

/**
 * The place as a column, and its values counted.
 * @param {{field: string, keys: readonly string[], view: import("../view.js").View}} props
 */
function Uses({ field, keys, view }) {
  const isColumn = view.columns.includes(field);
  const counted = parameterOf(keys);
  const isFacet = counted !== null && view.facets.includes(counted);
  const canCount = counted !== null && (isFacet || view.facets.length < MOST_FACETS);
  const facets = isFacet
    ? view.facets.filter((name) => name !== counted)
    : [...view.facets, ...(counted ? [counted] : [])];
  return html`<button
      type="button"
      class="plain sign"
      aria-pressed=${isColumn}
      aria-label=${`${field} as a column`}
      onClick=${() => changeView({ columns: toggled(view.columns, field) }, { replace: true })}
    >
      column
    </button>
    ${
      canCount &&
      html`<button
        type="button"
        class="plain sign"
        aria-pressed=${isFacet}
        aria-label=${`count the values of ${field}`}
        onClick=${() => changeView({ facets }, { replace: true })}
      >
        count
      </button>`
    }`;
}
