/** The line of the live view, and what waits to be shown; nothing while the view is not live. */
import { html } from "../html.js";
import { LiveBar } from "./live_bar.js";

/** @param {{live: import("./use_live.js").Live | null}} props */
export function Live({ live }) {
  return live && html`<${LiveBar} live=${live} />`;
}
