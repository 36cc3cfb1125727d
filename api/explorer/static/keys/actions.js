/** What the keys do now: the panels that are on the page register actions here. */
import { useEffect, useRef } from "preact/hooks";

import { actionOf, useOf } from "./table.js";

/**
 * An action of a panel. If it returns false, it did nothing, and the one registered before is asked.
 * @typedef {() => (boolean | void)} Act
 */

/** @type {Map<string, Act[]>} */
const registered = new Map();

/**
 * Let `act` be what the key of the action `name` does; the last one registered goes first.
 * @param {string} name
 * @param {Act} act
 * @returns {() => void} takes it away again
 */
export function register(name, act) {
  registered.set(name, [act, ...(registered.get(name) ?? [])]);
  return () => {
    registered.set(
      name,
      (registered.get(name) ?? []).filter((other) => other !== act),
    );
  };
}

/**
 * Do the action, as its key would.
 * @param {string} name
 * @returns {boolean} whether anything was done
 */
export function act(name) {
  return (registered.get(name) ?? []).some((one) => one() !== false);
}

/** Whether a panel on the page has registered the action. @param {string} name */
export function isRegistered(name) {
  return (registered.get(name) ?? []).length > 0;
}

/**
 * Register an action of a component while it is on the page and `enabled`.
 * @param {string} name
 * @param {Act} action
 * @param {boolean} [enabled]
 */
export function useAction(name, action, enabled = true) {
  const latest = useRef(action);
  latest.current = action;
  useEffect(() => (enabled ? register(name, () => latest.current()) : undefined), [name, enabled]);
}

/**
 * Do what a key asks for. A field that is typed in keeps its keys; Escape leaves it.
 * @param {KeyboardEvent} event
 */
export function onKeyDown(event) {
  if (event.defaultPrevented || document.querySelector("dialog:modal")) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const use = target === document.body ? "none" : useOf(pressedOf(target));
  const action = actionOf(event, use);
  if (!action) return;
  if (use === "typed") target.blur();
  else if (!act(action.name)) return;
  event.preventDefault();
}

/** @param {HTMLElement} target */
function pressedOf(target) {
  const { tagName, isContentEditable } = target;
  const type = target instanceof HTMLInputElement ? target.type : undefined;
  return { tagName, isContentEditable, type, role: target.getAttribute("role") };
}
