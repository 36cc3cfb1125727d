import { html } from "../html.js";
import { excluding, withTerm } from "../question/terms.js";
import { withText } from "../question/with_text.js";
import { cut, visible } from "../texts.js";
import { countText } from "../times.js";
import { changeView } from "../view.js";
import { released } from "./chosen.js";
import { isWithin } from "./counts.js";

/**
 * @typedef {{field: string, name: string, q: string, total: number}} Shared `field`: as the
 *   question writes it; `name`: as it is counted
 */

const LONGEST_SHOWN = 80; // characters of a value

/**
 * A value with its count. A click asks for these events alone, another one for the others again.
 * @param {Shared & {value: string, count: number, isChosen: boolean}} props
 */
export function Value({ field, name, q, total, value, count, isChosen }) {
  if (isWithin(name, value)) return html`<${Inner} value=${value} count=${count} total=${total} />`;
  const shown = shownAs(value);
  const only = isChosen ? released(q, field, value) : withTerm(q, field, value, true);
  return html`<li class=${isChosen ? "value chosen" : "value"}>
    <button
      type="button"
      class="only"
      aria-pressed=${isChosen}
      title=${`${isChosen ? "not only" : "only"} ${name} ${shown}`}
      onClick=${() => changeView({ q: only })}
    >
      <${ValueText} shown=${shown} count=${count} total=${total} />
      <span class="sign" aria-hidden="true">${isChosen ? "×" : "+"}</span>
    </button>
    <button
      type="button"
      class="not"
      aria-label=${`without ${name} ${shown}`}
      onClick=${() => changeView({ q: excluding(q, field, value, true) })}
    >
      −
    </button>
  </li>`;
}

/** @param {{shown: string, count: number, total: number}} props */
function ValueText({ shown, count, total }) {
  const share = total > 0 ? count / total : 0;
  return html`<span class="name" dir="auto">${shown}</span>
    <span class="count">${countText(count)}</span>
    <span class="share" aria-hidden="true" style=${{ transform: `scaleX(${share})` }}></span>`;
}

/**
 * An object or an array: what is in it can be asked for, not all of it.
 * @param {{value: string, count: number, total: number}} props
 */
function Inner({ value, count, total }) {
  return html`<li class="value" title="Open an event to ask for what is in it">
    <span class="only"><${ValueText} shown=${shownAs(value)} count=${count} total=${total} /></span>
  </li>`;
}

/**
 * Events without a value. They are not asked for alone in data: a null there is a value to the
 * query language.
 * @param {Shared & {count: number}} props
 */
export function Missing({ field, name, q, total, count }) {
  const others = () => changeView({ q: withExistence(q, field) });
  return html`<li class="value">
    <span class="only soft"><${ValueText} shown="no value" count=${count} total=${total} /></span>
    <button
      type="button"
      class="not"
      aria-label=${`without events that lack ${name}`}
      onClick=${others}
    >
      −
    </button>
  </li>`;
}

/**
 * @param {string} q
 * @param {string} field
 */
function withExistence(q, field) {
  const some = withText(q, `${field}:*`);
  return field.startsWith("data.") ? withText(some, `-${field}:null`) : some;
}

/**
 * A value that the question excludes.
 * @param {Shared & {value: string}} props
 */
export function Excluded({ field, name, q, value }) {
  const shown = shownAs(value);
  return html`<li class="value excluded">
    <button
      type="button"
      class="only"
      title=${`no longer without ${name} ${shown}`}
      onClick=${() => changeView({ q: released(q, field, value) })}
    >
      <span class="name" dir="auto"><s>${shown}</s></span>
      <span class="count">excluded</span>
      <span class="sign" aria-hidden="true">×</span>
    </button>
  </li>`;
}

/** @param {string} value */
function shownAs(value) {
  if (value === "") return "(empty)";
  return visible(cut(value, LONGEST_SHOWN)) + (value.length > LONGEST_SHOWN ? "…" : "");
}
