import { html } from "../html.js";
import { useEffect, useRef, useState } from "preact/hooks";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { LetterActs } from "./letter_acts.js";
import { LetterTable } from "./letter_table.js";
import { useList } from "./use_list.js";

const LETTER_NAMES = { items: "dead_letters", next: "next_after", after: "after" };

/**
 * Dead letters: found by their reason, looked at, and replayed or discarded by selection.
 * @param {{zone: string, done: () => void, count: number | null | undefined}} props
 *   `done`: something has changed; `count`: how many there are as the status says, if it is known
 */
export function Letters({ zone, done, count }) {
  const [reason, setReason] = useState("");
  const [chosen, setChosen] = useState(/** @type {ReadonlySet<string>} */ (new Set()));
  const list = useList("/admin/dead-letters", { reason }, LETTER_NAMES);
  useRecount(list, count, chosen.size === 0);
  const changed = () => {
    setChosen(new Set());
    list.again();
    done();
  };
  /** @param {string} text */
  const search = (text) => {
    setChosen(new Set()); // what is not shown is not selected
    setReason(text);
  };
  if (list.trouble) return html`<${PanelTrouble} trouble=${list.trouble} again=${list.again} />`;
  return html`<div class="tools">
      <${ReasonField} search=${search} />
      <${LetterActs} chosen=${chosen} changed=${changed} />
    </div>
    <${Found} list=${list} reason=${reason} chosen=${chosen} choose=${setChosen} zone=${zone} />`;
}

/**
 * Ask for the list again when there are more or fewer, once nothing is selected in it.
 * @param {import("./use_list.js").List<any>} list
 * @param {number | null | undefined} count
 * @param {boolean} isFree
 */
function useRecount(list, count, isFree) {
  const last = useRef(count);
  useEffect(() => {
    if (!isFree || typeof count !== "number" || count === last.current) return;
    const isFirst = typeof last.current !== "number";
    last.current = count;
    if (!isFirst) list.again();
  }, [count, isFree]);
}

/** @param {{search: (text: string) => void}} props */
function ReasonField({ search }) {
  const [text, setText] = useState("");
  /** @param {SubmitEvent} event */
  const submit = (event) => {
    event.preventDefault();
    search(text.trim());
  };
  return html`<form role="search" onSubmit=${submit}>
    <input
      type="search"
      aria-label="text of the reason"
      placeholder="text of the reason"
      maxlength="500"
      value=${text}
      onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)}
      onSearch=${() => search(text.trim())}
    />
  </form>`;
}

/**
 * @param {{list: import("./use_list.js").List<any>, reason: string, chosen: ReadonlySet<string>,
 *   choose: (chosen: ReadonlySet<string>) => void, zone: string}} props
 */
function Found({ list, reason, chosen, choose, zone }) {
  const { items, next, loading, more } = list;
  if (!items) return html`<p class="soft">Asking …</p>`;
  if (items.length === 0) {
    return html`<p class="soft">
      ${reason ? "No dead letter has this text in its reason." : "There are no dead letters."}
    </p>`;
  }
  return html`<${LetterTable} letters=${items} chosen=${chosen} choose=${choose} zone=${zone} />
    ${next && html`<button type="button" disabled=${loading} onClick=${more}>Show more</button>`}`;
}
