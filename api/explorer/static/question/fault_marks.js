import { html } from "../html.js";

/** @typedef {import("./faults.js").Mark} Mark */

/**
 * Underlines in the field, at the characters that can't be read.
 * @param {{text: string, marks: Mark[], scrolled: number}} props
 */
export function FaultMarks({ text, marks, scrolled }) {
  if (marks.length === 0) return null;
  let at = 0;
  const parts = marks.map((mark) => {
    const begin = Math.max(mark.begin, at);
    const before = text.slice(at, begin);
    at = Math.max(mark.end, begin);
    return html`${before}<mark>${text.slice(begin, at) || " "}</mark>`;
  });
  return html`<div class="fault-marks mono" aria-hidden="true">
    <span style=${{ transform: `translateX(${-scrolled}px)` }}>${parts}</span>
  </div>`;
}

/**
 * What is wrong, in words; what was meant can be taken.
 * @param {{text: string, marks: Mark[], ask: (text: string) => void}} props
 */
export function FaultList({ text, marks, ask }) {
  const taken = (/** @type {Mark} */ { begin, end, meant }) =>
    ask(text.slice(0, begin) + meant + text.slice(end));
  return html`<div role="status">
    <ul class="faults" id="question-faults">
      ${marks.map(
        (mark) =>
          html`<li key=${mark.begin}>
            <span class="soft">character ${mark.begin + 1}</span> ${mark.text}
            ${
              mark.meant &&
              html`<button type="button" onClick=${() => taken(mark)}>${mark.meant}</button>`
            }
          </li>`,
      )}
    </ul>
  </div>`;
}
