import { useState } from "preact/hooks";

import { html } from "../html.js";
import { pathOf } from "../question/written.js";
import { cut, visible } from "../texts.js";
import { countText } from "../times.js";
import { LongText } from "./long_text.js";
import { NodeButtons } from "./node_buttons.js";
import { innersOf, isInner, kindOf, sizeOf } from "./places.js";

/**
 * @typedef {import("../exact.js").Json} Json
 * @typedef {{left: number, depth: number}} Opening what opens by itself: so many more lines, down to
 *   this depth
 * @typedef {{label: string, place: import("./places.js").Place, value: Json, depth: number,
 *   opening?: Opening, view: import("../view.js").View}} Props
 */

export const LEVEL = 200; // keys of a level that are shown at once
const LONGEST_LABEL = 200; // characters
const LONGEST_VALUE = 400; // of a text, at first

/**
 * A key or an element with its value, and what is within it once it is opened.
 * @param {Props} props
 */
export function TreeNode(props) {
  const { value, place, depth, view } = props;
  const opening = props.opening ?? { left: 0, depth: 0 };
  const [isOpen, setOpen] = useState(() => opens(value, depth, opening));
  const field = place.keys && place.keys.length > 0 ? pathOf(place.keys) : null;
  return html`<li>
    <div class="node">
      ${
        isInner(value) && sizeOf(value) > 0
          ? html`<${Toggle} ...${props} isOpen=${isOpen} toggle=${() => setOpen(!isOpen)} />`
          : html`<span class="pair"
              ><${Label} label=${props.label} /><${Scalar} value=${value}
            /></span>`
      }
      <${NodeButtons} field=${field} place=${place} value=${value} view=${view} />
    </div>
    ${
      isOpen &&
      html`<${Level}
        value=${value}
        place=${place}
        depth=${depth + 1}
        opening=${opening}
        view=${view}
      />`
    }
  </li>`;
}

/**
 * Open by itself what fits into the lines that are left.
 * @param {Json} value
 * @param {number} depth
 * @param {Opening} opening
 */
function opens(value, depth, opening) {
  const size = Math.min(sizeOf(value), 200);
  if (size === 0 || depth >= opening.depth || size > opening.left) return false;
  opening.left -= size;
  return true;
}

/** @param {Props & {isOpen: boolean, toggle: () => void}} props */
function Toggle({ label, value, isOpen, toggle }) {
  const size = countText(sizeOf(value));
  return html`<button type="button" class="plain pair" aria-expanded=${isOpen} onClick=${toggle}>
    <span class="arrow" aria-hidden="true">${isOpen ? "▾" : "▸"}</span>
    <${Label} label=${label} />
    <span class="soft">${Array.isArray(value) ? `[${size}]` : `{${size}}`}</span>
  </button>`;
}

/** @param {{label: string}} props */
function Label({ label }) {
  if (label === "") return html`<span class="key soft">""</span>`;
  const shown = visible(cut(label, LONGEST_LABEL));
  return html`<bdi class="key" title=${label}>${shown}</bdi>`;
}

/** @param {{value: Json}} props */
function Scalar({ value }) {
  if (typeof value === "string") {
    return html`<bdi class="value text"
      >"<${LongText} text=${value} atFirst=${LONGEST_VALUE} />"</bdi
    >`;
  }
  return html`<span class=${`value ${kindOf(value)}`}>${plainText(value)}</span>`;
}

/** @param {Json} value without a text in it */
function plainText(value) {
  if (isInner(value)) return Array.isArray(value) ? "[]" : "{}";
  return String(value);
}

/**
 * What is within an object or an array: 200 of it, and more on demand.
 * @param {{value: Json, place: import("./places.js").Place, depth: number, opening: Opening,
 *   view: import("../view.js").View}} props
 */
export function Level({ value, place, depth, opening, view }) {
  const [most, setMost] = useState(LEVEL);
  const size = sizeOf(value);
  if (size === 0) return null;
  return html`<ul>
    ${innersOf(value, place, most).map(
      (inner) =>
        html`<${TreeNode}
          key=${inner.label}
          ...${inner}
          depth=${depth}
          opening=${opening}
          view=${view}
        />`,
    )}
    ${
      size > most &&
      html`<li>
        <button type="button" class="plain" onClick=${() => setMost(most + LEVEL)}>
          ${countText(Math.min(LEVEL, size - most))} more of ${countText(size - most)}
        </button>
      </li>`
    }
  </ul>`;
}
