import { useEffect, useState } from "preact/hooks";
import { changeView } from "../view.js";

/**
 * @typedef {import("./completion.js").Option} Option
 * @typedef {object} Draft the question as it is being written
 * @property {string} text
 * @property {number} caret
 * @property {boolean} isPlaced whether the caret must still be put there
 * @property {boolean} isOpen whether completions are wanted
 * @property {number} active the chosen completion, -1 for none
 *
 * @typedef {{of: string, place: import("./completion.js").Place | null, options: Option[]}} Found
 *   what may be completed: `of` which draft, as `writtenIn` says it
 */

/**
 * @param {string} text
 * @returns {Draft}
 */
const draftOf = (text) => ({
  text,
  caret: text.length,
  isPlaced: false,
  isOpen: false,
  active: -1,
});

/** @type {Found} */
const NOT_FOUND = { of: "", place: null, options: [] };

/** @param {Draft} draft */
export const writtenIn = ({ text, caret }) => `${caret} ${text}`;

/**
 * The draft of a question, its completions, and what keys do with them.
 * @param {string} q the question that is asked
 */
export function useDraft(q) {
  const [draft, setDraft] = useState(() => draftOf(q));
  useEffect(() => setDraft((last) => (last.text.trim() === q ? last : draftOf(q))), [q]);
  const [found, setFound] = useState(NOT_FOUND);
  const isFound = draft.isOpen && found.of === writtenIn(draft);
  const { place, options } = isFound ? found : NOT_FOUND;
  const ask = (/** @type {string} */ text) => {
    setDraft({ ...draftOf(text.trimStart()), isPlaced: true });
    changeView({ q: text.trim(), event: "" });
  };
  const accept = (/** @type {Option} */ option) => {
    if (!place) return;
    const begin = draft.text.slice(0, place.begin) + option.text;
    const text = begin + draft.text.slice(draft.caret).replace(/^\s+/, "");
    const isDone = option.text.endsWith(" ");
    if (isDone && !/[()]/.test(begin)) ask(text);
    else setDraft({ ...draftOf(text), caret: begin.length, isPlaced: true, isOpen: !isDone });
  };
  const write = (/** @type {string} */ text, /** @type {number} */ caret) =>
    setDraft({ ...draftOf(text), caret, isOpen: true });
  const choose = (/** @type {number} */ step) =>
    setDraft((last) => ({ ...last, active: stepped(last.active, step, options.length) }));
  const close = () => setDraft((last) => ({ ...last, isOpen: false, active: -1 }));
  const reset = () => setDraft(draftOf(q));
  return { draft, options, setFound, ask, accept, write, choose, close, reset };
}

/**
 * The next option, round to "none" and on.
 * @param {number} active
 * @param {number} step
 * @param {number} options
 */
const stepped = (active, step, options) => ((active + 1 + step + options + 1) % (options + 1)) - 1;
