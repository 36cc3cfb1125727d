/** Turns live on and off. */
import { changeView } from "../view.js";
import { html } from "../html.js";
import { useAction } from "../keys/actions.js";

/** @param {{view: import("../view.js").View}} props */
export function LiveButton({ view }) {
  // What is stored from now on is newest first, and in no window that has ended.
  const toggle = () =>
    changeView(view.live ? { live: false } : { live: true, to: "", order: "desc" });
  useAction("live", toggle);
  return html`<button
    type="button"
    aria-pressed=${view.live}
    title="Follow new events (l)"
    onClick=${toggle}
  >
    <span class="live-dot" aria-hidden="true"></span>Live
  </button>`;
}
