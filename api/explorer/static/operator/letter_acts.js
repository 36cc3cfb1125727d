import { html } from "../html.js";
import { useState } from "preact/hooks";
import { sendJson } from "../service.js";
import { Confirm } from "./confirm.js";
import { Outcome } from "./outcome.js";
import { counted } from "./texts.js";

/** @typedef {{id: string, result: string, reason?: string}} Result */

const MOST_LETTERS = 1000;
const ACTS = {
  replay: {
    word: "Replay",
    told: "Each event is stored once, if PostgreSQL takes it now. What it refuses again stays here.",
  },
  discard: {
    word: "Discard",
    told: "Their bytes are deleted. This can't be undone, and nothing else has these events.",
  },
};

/**
 * What can be done with the selection, after a question that names its number.
 * @param {{chosen: ReadonlySet<string>, changed: () => void}} props
 */
export function LetterActs({ chosen, changed }) {
  const [asked, setAsked] = useState(/** @type {keyof typeof ACTS | null} */ (null));
  const [results, setResults] = useState(/** @type {Result[] | null} */ (null));
  const count = chosen.size;
  const close = () => setAsked(null);
  const act = async () => {
    const { body } = await sendJson("POST", `/admin/dead-letters/${asked}`, { ids: [...chosen] });
    setResults(body.results);
    close();
    changed();
  };
  const cannot = count === 0 || count > MOST_LETTERS;
  return html`<span class="soft">
      ${count > MOST_LETTERS ? `${counted(count, "is", "are")} selected, at most 1,000 at once` : `${count} selected`}
    </span>
    <button type="button" disabled=${cannot} onClick=${() => setAsked("replay")}>Replay …</button>
    <button type="button" class="danger" disabled=${cannot} onClick=${() => setAsked("discard")}>
      Discard …
    </button>
    ${results && html`<${Outcome} results=${results} close=${() => setResults(null)} />`}
    ${
      asked &&
      html`<${Confirm}
        title=${`${ACTS[asked].word} ${counted(count, "dead letter")}?`}
        button=${`${ACTS[asked].word} ${count.toLocaleString("en")}`}
        isDanger=${asked === "discard"}
        act=${act}
        close=${close}
      >
        <p>${ACTS[asked].told}</p>
      <//>`
    }`;
}
