import { html } from "../html.js";
import { useState } from "preact/hooks";
import { formatTime } from "../times.js";
import { visible } from "../texts.js";
import { DataTable } from "./data_table.js";
import { Original } from "./original.js";
import { counted, bytesText } from "./texts.js";

/**
 * @typedef {{id: string, created_at: string, refused_at: string, reason: string, size: number,
 *   component: string | null, environment: string | null, message: string | null}} Letter
 */

const LETTER_HEADS = [
  "refused",
  "component",
  "message",
  "reason",
  "size",
  html`<span class="unseen">open</span>`,
];

/**
 * @param {{letters: Letter[], chosen: ReadonlySet<string>,
 *   choose: (chosen: ReadonlySet<string>) => void, zone: string}} props
 */
export function LetterTable({ letters, chosen, choose, zone }) {
  const [open, setOpen] = useState("");
  const all = letters.every(({ id }) => chosen.has(id));
  const toggleShown = () => choose(new Set(all ? [] : letters.map(({ id }) => id)));
  /** @param {string} id */
  const toggle = (id) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  const select = html`<input
    type="checkbox"
    aria-label=${`select the ${counted(letters.length, "dead letter")} shown`}
    checked=${all}
    onChange=${toggleShown}
  />`;
  return html`<${DataTable}
    caption="Dead letters, the newest event first"
    heads=${[select, ...LETTER_HEADS]}
    numbers=${["size"]}
  >
    ${letters.map(
      (letter) =>
        html`<${LetterRow}
          key=${letter.id}
          letter=${letter}
          isChosen=${chosen.has(letter.id)}
          toggle=${() => toggle(letter.id)}
          isOpen=${open === letter.id}
          open=${() => setOpen(open === letter.id ? "" : letter.id)}
          zone=${zone}
        />`,
    )}
  <//>`;
}

/**
 * @param {{letter: Letter, isChosen: boolean, toggle: () => void, isOpen: boolean,
 *   open: () => void, zone: string}} props
 */
function LetterRow({ letter, isChosen, toggle, isOpen, open, zone }) {
  const { id, component, message, reason, size } = letter;
  return html`<tr class=${isChosen ? "chosen" : ""}>
      <td>
        <input
          type="checkbox"
          aria-label=${`select ${id}`}
          checked=${isChosen}
          onChange=${toggle}
        />
      </td>
      <td class="time">${formatTime(letter.refused_at, zone, "second")}</td>
      <td>${component === null ? html`<i class="soft">unreadable</i>` : visible(component)}</td>
      <td class="wide"><bdi>${visible(message ?? "")}</bdi></td>
      <td class="wide">${visible(reason)}</td>
      <td class="number">${bytesText(size)}</td>
      <td>
        <button type="button" class="plain" aria-expanded=${isOpen} onClick=${open}>
          ${isOpen ? "Close" : "Show"}<span class="unseen"> ${id}</span>
        </button>
      </td>
    </tr>
    ${
      isOpen &&
      html`<tr class="opened">
        <td colspan=${LETTER_HEADS.length + 1}><${Original} id=${id} zone=${zone} /></td>
      </tr>`
    }`;
}
