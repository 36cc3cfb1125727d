/**
 * The one table of keys. A panel says what a key does with `useAction(name, act)`.
 * @typedef {{name: string, key: string, shown?: string, repeats?: boolean}} Action
 */

/** @type {readonly Action[]} */
export const ACTIONS = [
  { name: "question", key: "/" },
  { name: "time", key: "t" },
  { name: "next", key: "j", repeats: true },
  { name: "previous", key: "k", repeats: true },
  { name: "detail", key: "Enter", shown: "Enter" },
  { name: "back", key: "Escape", shown: "Esc" },
  { name: "around", key: "a" },
  { name: "person", key: "u" },
  { name: "find", key: "f" },
  { name: "facets", key: "c" },
  { name: "live", key: "l" },
  { name: "pause", key: "p" },
  { name: "newest", key: "n" },
  { name: "export", key: "e" },
  { name: "views", key: "v" },
  { name: "share", key: "s" },
  { name: "keys", key: "?" },
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
