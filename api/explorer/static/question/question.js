import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { useDraft } from "./draft.js";
import { FaultList, FaultMarks } from "./fault_marks.js";
import { marksOf } from "./faults.js";
import { later } from "../later.js";

const Completions = later(() => import("./completions.js").then((part) => part.Completions));

/**
 * The field in which questions are written: a combobox. Enter asks; arrows choose what completes;
 * Enter and Tab take it, Tab also the only one; a fault of the last question is marked where it is.
 * @param {{view: import("../view.js").View, params: import("../service.js").Params | null,
 *   trouble: import("../service.js").Trouble | null}} props
 */
export function Question({ view: { q }, params, trouble }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [scrolled, setScrolled] = useState(0);
  const drafting = useDraft(q);
  const { draft, options, ask, accept, close, setFound } = drafting;
  useAction("question", () => input.current?.select());
  useLayoutEffect(() => {
    const [field, { caret, isPlaced }] = [input.current, draft];
    if (isPlaced && field === document.activeElement) field?.setSelectionRange(caret, caret);
  }, [draft]);
  const write = () => {
    const { value = "", selectionStart } = input.current ?? {};
    drafting.write(value, selectionStart ?? value.length);
  };
  const marks = draft.text.trim() === q && trouble ? marksOf(q, trouble.errors) : [];
  const isAsked = draft.text.trim() === q.trim();
  return html`<div class="question" role="search">
    <input
      ref=${input}
      ...${attributesOf(draft, options.length > 0, marks.length > 0)}
      onInput=${write}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => press(event, drafting, isAsked, write)}
      onBlur=${close}
      onScroll=${() => setScrolled(input.current?.scrollLeft ?? 0)}
    />
    <${FaultMarks} ...${{ text: q, marks, scrolled }} />
    ${!isAsked && html`<kbd class="question-hint">Enter ↵</kbd>`}
    ${draft.text === "" && isAsked && html`<kbd class="question-hint">/</kbd>`}
    ${draft.isOpen && html`<${Completions} ...${{ draft, params, accept, setFound }} />`}
    <${FaultList} ...${{ text: q, marks, ask }} />
  </div>`;
}

/**
 * @param {KeyboardEvent} event
 * @param {ReturnType<typeof useDraft>} drafting
 * @param {boolean} isAsked
 * @param {() => void} write
 */
function press(event, { draft, options, ask, accept, choose, close, reset }, isAsked, write) {
  if (event.isComposing) return;
  const { key } = event;
  const isTaken = key === "Enter" || (key === "Tab" && !event.shiftKey);
  const option = options[key === "Tab" && options.length === 1 ? 0 : draft.active];
  const step = key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
  if (step && options.length > 0) choose(step);
  else if (step === 1) write();
  else if (option && isTaken) accept(option);
  else if (key === "Enter") ask(draft.text);
  else if (key === "Escape" && draft.isOpen) close();
  else if (key === "Escape" && !isAsked) reset();
  else return;
  event.preventDefault();
}

/**
 * @param {import("./draft.js").Draft} draft
 * @param {boolean} isOpen
 * @param {boolean} isFaulty
 */
const attributesOf = ({ text, active }, isOpen, isFaulty) => ({
  class: "mono",
  type: "text",
  role: "combobox",
  "aria-label": "question",
  "aria-autocomplete": "list",
  "aria-expanded": isOpen,
  "aria-controls": "question-options",
  "aria-activedescendant": isOpen && active >= 0 ? `option-${active}` : undefined,
  "aria-invalid": isFaulty,
  "aria-describedby": isFaulty ? "question-faults" : undefined,
  autocomplete: "off",
  autocapitalize: "off",
  spellcheck: false,
  enterkeyhint: "search",
  placeholder: 'component:billing -environment:dev "was paid"',
  maxlength: 4000,
  value: text,
});
