import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { shortCount } from "../times.js";

/**
 * What completes the question, below its field.
 * @param {{options: import("./completion.js").Option[], active: number,
 *   accept: (option: import("./completion.js").Option) => void}} props
 */
export function OptionList({ options, active, accept }) {
  const list = useRef(/** @type {HTMLUListElement | null} */ (null));
  useEffect(() => list.current?.children[active]?.scrollIntoView({ block: "nearest" }), [active]);
  return html`<ul
    ref=${list}
    id="question-options"
    class="drop options"
    role="listbox"
    aria-label="completions"
  >
    ${options.map(
      (option, n) =>
        html`<li
          key=${option.text}
          id=${`option-${n}`}
          role="option"
          aria-selected=${n === active}
          onMouseDown=${(/** @type {Event} */ event) => (event.preventDefault(), accept(option))}
        >
          <code>${option.text.trim()}</code>
          <span class="quiet">
            ${option.count === undefined ? option.hint : shortCount(option.count)}
          </span>
        </li>`,
    )}
  </ul>`;
}
