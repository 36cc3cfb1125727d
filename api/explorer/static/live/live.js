/** The line of the live view, or why nothing can come; nothing while the view is not live. */
import { changeView } from "../view.js";
import { html } from "../html.js";
import { LiveBar } from "./live_bar.js";

/**
 * @param {{view: import("../view.js").View, live: import("./use_live.js").Live | null}} props
 */
export function Live({ view, live }) {
  if (!view.live) return null;
  if (live) return html`<${LiveBar} live=${live} />`;
  if (view.order !== "desc")
    return html`<${Change} text="New events come first" changes=${{ order: "desc" }} />`;
  const isClosed = view.to !== "" && view.to !== "now";
  return (
    isClosed &&
    html`<${Change} text="The time has an end: nothing new comes" changes=${{ to: "" }} />`
  );
}

/** @param {{text: string, changes: Partial<import("../view.js").View>}} props */
function Change({ text, changes }) {
  return html`<div class="live-line">
    <span class="live-state held" role="status">${text}</span>
    <button type="button" onClick=${() => changeView(changes)}>Show the newest</button>
    <button type="button" onClick=${() => changeView({ live: false })}>End</button>
  </div>`;
}
