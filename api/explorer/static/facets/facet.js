import { useState } from "preact/hooks";

import { html } from "../html.js";
import { fieldOf } from "../question/written.js";
import { visible } from "../texts.js";
import { countText, formatTime, zoneOf } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { chosenOf } from "./chosen.js";
import { FEW, shownOf } from "./counts.js";
import { Excluded, Missing, Value } from "./value.js";

/**
 * @typedef {import("../view.js").View} View
 * @typedef {import("./counting.js").Counted} Counted
 * @typedef {import("./counts.js").Field} Field
 * @typedef {{field: string, counted: Counted, view: View, again: () => void,
 *   remove: () => void}} Props
 */

/**
 * The counts of one field.
 * @param {Props} props
 */
export function Facet({ field, counted, view, again, remove }) {
  const { answer, trouble, isOutdated } = counted;
  const values = answer?.fields[field];
  const name = visible(field);
  return html`<section class="facet" aria-label=${field} aria-busy=${isOutdated}>
    <header>
      <h2 dir="auto" title=${name}>${name.replace(/^data\./, "")}</h2>
      <button type="button" class="plain" aria-label=${`remove ${field}`} onClick=${remove}>
        ×
      </button>
    </header>
    ${trouble && html`<${PanelTrouble} trouble=${trouble} again=${again} />`}
    ${!trouble && answer && html`<${Covered} counted=${counted} view=${view} />`}
    ${
      !trouble && answer && values
        ? html`<${Values}
            field=${field}
            values=${values}
            total=${answer.total}
            isOutdated=${isOutdated}
            view=${view}
          />`
        : !trouble && html`<p class="soft none">Counting …</p>`
    }
  </section>`;
}

/**
 * Which part of the window is counted, as long as that is not all of it.
 * @param {{counted: Counted, view: View}} props
 */
function Covered({ counted: { answer, isCounting }, view }) {
  if (!answer || answer.complete || !answer.covered) return null;
  const since = formatTime(answer.covered.from, zoneOf(view), "minute");
  return html`<p class="soft none">
    Since ${since}${isCounting ? ", still counting …" : " only"}
  </p>`;
}

/**
 * @param {{field: string, values: Field, total: number, isOutdated: boolean, view: View}} props
 */
function Values({ field, values, total, isOutdated, view }) {
  const [isAll, setAll] = useState(false);
  const [wanted, setWanted] = useState("");
  const shown = shownOf(values, { isAll, wanted });
  const term = fieldOf(field);
  const chosen = chosenOf(view.q, term);
  const shared = { field: term, name: field, q: view.q, total };
  const isLong = values.values.length > FEW;
  return html`<div class=${isOutdated ? "outdated" : ""}>
    ${isAll && html`<${Search} field=${field} wanted=${wanted} set=${setWanted} />`}
    <ul>
      ${chosen.not.map(
        (value) => html`<${Excluded} key=${`-${value}`} ...${shared} value=${value} />`,
      )}
      ${shown.values.map(
        ({ value, count }) =>
          html`<${Value}
            key=${value}
            ...${shared}
            value=${value}
            count=${count}
            isChosen=${chosen.only.includes(value)}
          />`,
      )}
      ${shown.missing > 0 && html`<${Missing} ...${shared} count=${shown.missing} />`}
      ${shown.other > 0 && html`<${Other} shown=${shown} />`}
    </ul>
    ${total === 0 && html`<p class="soft none">No event</p>`}
    ${
      isLong &&
      html`<button
        type="button"
        class="plain more"
        aria-expanded=${isAll}
        onClick=${() => (setAll(!isAll), setWanted(""))}
      >
        ${isAll ? "Fewer" : "More"}
      </button>`
    }
  </div>`;
}

/** @param {{field: string, wanted: string, set: (text: string) => void}} props */
function Search({ field, wanted, set }) {
  return html`<input
    type="search"
    class="within"
    placeholder="search in these values"
    aria-label=${`search in the values of ${field}`}
    value=${wanted}
    maxlength="200"
    onInput=${(/** @type {InputEvent} */ event) =>
      set(/** @type {HTMLInputElement} */ (event.target).value)}
  />`;
}

/** @param {{shown: import("./counts.js").Shown}} props */
function Other({ shown: { other, otherValues } }) {
  const of = otherValues === null ? "other values" : `${countText(otherValues)} other`;
  return html`<li class="value other soft">
    <span class="name">${otherValues === 1 ? "1 other" : of}</span>
    <span class="count">${countText(other)}</span>
  </li>`;
}
