import { useState } from "preact/hooks";

import { html } from "../html.js";
import { cut, visibleLines } from "../texts.js";
import { countText } from "../times.js";

const TEXT_AT_FIRST = 2000; // characters

/**
 * Text of an event in many lines; of a long one the beginning, until all of it is asked for.
 * @param {{text: string, atFirst?: number}} props `atFirst`: characters
 */
export function LongText({ text, atFirst = TEXT_AT_FIRST }) {
  const [isWhole, setWhole] = useState(text.length <= atFirst);
  if (isWhole) return visibleLines(text);
  return html`${visibleLines(cut(text, atFirst))}…
    <button type="button" class="plain" onClick=${() => setWhole(true)}>
      Show all ${countText(text.length)} characters
    </button>`;
}
