/** The link that shows the same view to others. */
import { useEffect, useState } from "preact/hooks";

import { useAction } from "../keys/actions.js";
import { copyText, Copy } from "../copy.js";
import { html } from "../html.js";
import { searchOf } from "../view.js";

/** @typedef {import("../view.js").View} View */

/** @param {View} view */
export function linkOf(view) {
  return new URL(
    searchOf({ ...view, panel: lasting(view.panel) }) || location.pathname,
    location.href,
  ).href;
}

/** Dialogs are no part of what is shared. @param {string} panel */
const lasting = (panel) => (["export", "views", "keys"].includes(panel) ? "" : panel);

/** @param {{view: View}} props */
export function ShareLink({ view }) {
  return html`<${Copy}
    label="Copy link"
    text=${() => linkOf(view)}
    what="the link to this view"
  />`;
}

/** Lets the key copy the link, and says for a moment whether it did. @param {{view: View}} props */
export function ShareKey({ view }) {
  const [text, setText] = useState("");
  useEffect(() => {
    const timer = text && setTimeout(() => setText(""), 2500);
    return () => clearTimeout(timer || undefined);
  }, [text]);
  const share = async () => {
    const isCopied = await copyText(linkOf(view));
    setText(isCopied ? "Link copied" : "Not copied: take it from the address of the page");
  };
  useAction("share", () => void share());
  return html`<p class=${text ? "share-notice" : "unseen"} role="status">${text}</p>`;
}
