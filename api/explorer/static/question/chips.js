import { html } from "../html.js";
import { visible } from "../texts.js";
import { changeView } from "../view.js";
import { inverted, termsOf, withoutTerm } from "./terms.js";

/** @typedef {import("./terms.js").Term} Term */

/**
 * The terms that must all match, as chips: each can be turned into its opposite, or removed.
 * @param {{view: import("../view.js").View}} props
 */
export function Chips({ view: { q } }) {
  const terms = termsOf(q);
  if (terms.length === 0) return null;
  // Not before the click: for each of thousands of terms it reads the whole question.
  const change =
    (/** @type {(q: string, term: Term) => string} */ act, /** @type {Term} */ term) => () =>
      changeView({ q: act(q, term) });
  return html`<ul class="chips" aria-label="filters">
    ${terms.map(
      (term) =>
        html`<li key=${term.text} class=${term.isNot ? "chip not" : "chip"}>
          <button
            type="button"
            class="plain"
            title=${term.isNot ? "include instead" : "exclude instead"}
            onClick=${change(inverted, term)}
          >
            ${term.isNot && html`<span class="unseen">not</span><span aria-hidden="true">−</span>`}
            ${term.field && html`<span class="soft">${visible(term.field)}${term.operator}</span>`}
            <b>${visible(term.value)}</b>
          </button>
          <button
            type="button"
            class="plain remove"
            aria-label=${`remove ${term.text}`}
            onClick=${change(withoutTerm, term)}
          >
            ×
          </button>
        </li>`,
    )}
  </ul>`;
}
