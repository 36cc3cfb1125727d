import { html } from "../html.js";
import { excluding, termsOf, withTerm, withoutTerm } from "../question/terms.js";
import { withText } from "../question/with_text.js";
import { valueText } from "../question/written.js";
import { changeView } from "../view.js";

/** The most characters that a value may have in a question. */
const LONGEST_TERM = 1000;

/**
 * + and −: only events with this value, and only those without it. A second press takes it back.
 * @param {{q: string, field: string | null, value: unknown, name: string}} props `field`: as the
 *   question writes it, null if it has no name for this place; `name`: how it is called
 */
export function TermButtons({ q, field, value, name }) {
  if (field === null) return null;
  const fault = whyNot(field, value);
  if (fault) {
    return html`<button type="button" class="plain sign" disabled title=${fault}>+</button>
      <button type="button" class="plain sign" disabled title=${fault}>−</button>`;
  }
  const text = `${field}:${valueText(field, value)}`;
  const given = termsOf(q).find((term) => term.text === text);
  const excluded = termsOf(q).find((term) => term.text === `-${text}`);
  return html`<${Sign}
      sign="+"
      label=${`only ${name}`}
      isOn=${given !== undefined}
      q=${given ? withoutTerm(q, given) : withTerm(q, field, value)}
    /><${Sign}
      sign="−"
      label=${`without ${name}`}
      isOn=${excluded !== undefined}
      q=${excluded ? withoutTerm(q, excluded) : excluding(q, field, value)}
    />`;
}

/** @param {{sign: string, label: string, isOn: boolean, q: string}} props */
function Sign({ sign, label, isOn, q }) {
  return html`<button
    type="button"
    class="plain sign"
    aria-pressed=${isOn}
    aria-label=${label}
    title=${label}
    onClick=${() => changeView({ q })}
  >
    ${sign}
  </button>`;
}

/**
 * @param {string} field
 * @param {unknown} value
 */
function whyNot(field, value) {
  if (typeof value === "string" && value.length > LONGEST_TERM) {
    return "The query language takes at most 1,000 characters";
  }
  const isBlank = typeof value === "string" && value.trim() === "" && !field.startsWith("data.");
  return isBlank ? "The query language takes no blank text here" : "";
}

/**
 * + and − of an object or an array: only events that have something there, or that have nothing.
 * @param {{q: string, field: string | null}} props
 */
export function ExistenceButtons({ q, field }) {
  if (field === null) return null;
  const terms = termsOf(q);
  const given = terms.find((term) => term.text === `${field}:*`);
  const excluded = terms.find((term) => term.text === `-${field}:*`);
  return html`<${Sign}
      sign="+"
      label=${`only events with ${field}`}
      isOn=${given !== undefined}
      q=${given ? withoutTerm(q, given) : withText(q, `${field}:*`)}
    /><${Sign}
      sign="−"
      label=${`without events with ${field}`}
      isOn=${excluded !== undefined}
      q=${excluded ? withoutTerm(q, excluded) : withText(q, `-${field}:*`)}
    />`;
}
