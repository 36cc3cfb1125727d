/**
 * The one table of keys. A panel says what a key does with `useAction(name, act)`.
 * @typedef {{name: string, key: string, shown?: string, what: string, repeats?: boolean}} Action
 */

/** @type {readonly Action[]} */
export const ACTIONS = [
  { name: "question", key: "/", what: "Go to the question" },
  { name: "time", key: "t", what: "Choose the time" },
  { name: "next", key: "j", what: "Next row", repeats: true },
  { name: "previous", key: "k", what: "Previous row", repeats: true },
  { name: "detail", key: "Enter", shown: "Enter", what: "Open the event of the row" },
  { name: "back", key: "Escape", shown: "Esc", what: "Back: close what was opened last" },
  { name: "around", key: "a", what: "What stands around the event" },
  { name: "person", key: "u", what: "Timeline of the person of the event" },
  { name: "find", key: "f", what: "Find in the rows that are loaded" },
  { name: "facets", key: "c", what: "Go to the counts of values" },
  { name: "live", key: "l", what: "Live: on and off" },
  { name: "pause", key: "p", what: "Live: pause and go on" },
  { name: "newest", key: "n", what: "Live: show the new events" },
  { name: "export", key: "e", what: "Export these events" },
  { name: "views", key: "v", what: "Named views" },
  { name: "share", key: "s", what: "Copy the link to this view" },
  { name: "keys", key: "?", what: "Show this table" },
];

/** The kinds of `<input>` that take no text. */
const NOT_TYPED = ["button", "checkbox", "color", "file", "radio", "range", "reset", "submit"];

/**
 * The part of a keyboard event that decides what it does.
 * @typedef {{key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean,
 *   repeat?: boolean, isComposing?: boolean}} Press
 */

/**
 * What an element does with keys by itself.
 * @param {{tagName: string, type?: string, isContentEditable?: boolean, role?: string | null}} element
 * @returns {"typed" | "pressed" | "none"} takes text, takes Enter, or leaves all keys
 */
export function useOf({ tagName, type, isContentEditable, role }) {
  const tag = tagName.toUpperCase();
  if (isContentEditable || tag === "TEXTAREA" || tag === "SELECT" || role === "textbox")
    return "typed";
  if (tag === "INPUT") return NOT_TYPED.includes(type ?? "text") ? "pressed" : "typed";
  return ["A", "BUTTON", "SUMMARY"].includes(tag) || role === "button" ? "pressed" : "none";
}

/**
 * The action that a press asks for, where `use` is what the focused element does with keys.
 * @param {Press} press
 * @param {"typed" | "pressed" | "none"} use
 * @returns {Action | undefined}
 */
export function actionOf(press, use) {
  if (press.ctrlKey || press.metaKey || press.altKey || press.isComposing) return undefined;
  if (use === "typed" && press.key !== "Escape") return undefined;
  if (use === "pressed" && press.key === "Enter") return undefined;
  const found = ACTIONS.find((action) => action.key === press.key);
  return press.repeat && !found?.repeats ? undefined : found;
}
