import { html } from "../html.js";
import { visible } from "../texts.js";

/** @typedef {import("./letter_acts.js").Result} Result */

const WORDS = /** @type {Record<string, string>} */ ({
  stored: "stored",
  stored_already: "stored before",
  discarded: "discarded",
  refused: "refused again",
  not_found: "not there any more",
  unknown: "unknown: look again",
  not_tried: "not tried",
});
const DONE = ["stored", "stored_already", "discarded"];
const MOST_OUTCOMES = 20;

/**
 * What became of a selection: how many of each result, and why some are not done.
 * @param {{results: Result[], close: () => void}} props
 */
export function Outcome({ results, close }) {
  const counts = new Map();
  for (const { result } of results) counts.set(result, (counts.get(result) ?? 0) + 1);
  const told = [...counts].map(([result, count]) => `${count} ${WORDS[result] ?? result}`);
  const left = results.filter(({ result, reason }) => reason && !DONE.includes(result));
  return html`<div class="outcome" role="status">
    <p>
      ${told.join(", ")}.
      <button type="button" class="plain" aria-label="hide what was done" onClick=${close}>
        ×
      </button>
    </p>
    <ul>
      ${left
        .slice(0, MOST_OUTCOMES)
        .map(
          ({ id, reason }) =>
            html`<li key=${id}><span class="mono">${id}</span>: ${visible(reason ?? "")}</li>`,
        )}
    </ul>
    ${left.length > MOST_OUTCOMES && html`<p class="soft">and ${left.length - MOST_OUTCOMES} more like these</p>`}
  </div>`;
}
