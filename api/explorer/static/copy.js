/** Copies a text, also where the page may not use the clipboard (plain HTTP). */
import { useEffect, useState } from "preact/hooks";

import { html } from "./html.js";

/**
 * @param {string} text
 * @returns {Promise<boolean>} whether it was copied
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/** @param {string} text */
function copySelected(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  // In a dialog, what is outside of it can't be selected.
  (document.querySelector("dialog:modal") ?? document.body).append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return isCopied;
}

/**
 * A button that copies, and says so for a moment.
 * @param {{text: string | (() => string), what: string, label?: string}} props `what` is copied
 */
export function Copy({ text, what, label = "Copy" }) {
  const [state, setState] = useState("");
  useEffect(() => {
    const timer = state && setTimeout(() => setState(""), 2000);
    return () => clearTimeout(timer || undefined);
  }, [state]);
  const copy = async () => {
    const isCopied = await copyText(typeof text === "function" ? text() : text);
    setState(isCopied ? "Copied" : "Not copied: select it");
  };
  return html`<button type="button" title=${`Copy ${what}`} onClick=${copy}>${label}</button>
    <span class=${state ? "quiet" : "unseen"} role="status">${state}</span>`;
}
