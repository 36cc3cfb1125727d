/** The line of the live view, or why nothing can come. It is in the page while the view is live. */
import { useLayoutEffect } from "preact/hooks";

import { changeView } from "../view.js";
import { html } from "../html.js";
import { LiveBar } from "./live_bar.js";
import { useLive } from "./use_live.js";
import { useLiveCounts } from "./use_live_counts.js";

/** @typedef {import("./use_live.js").Live & {counts: import("./use_live_counts.js").Counts}} Shown */

/**
 * @param {{view: import("../view.js").View, moment: import("../filters.js").Moment | null,
 *   counted: import("../histogram/statistics.js").Statistics, refresh: () => void,
 *   setLive: (live: Shown | null) => void}} props
 *   `setLive` is told what came, for all panels
 */
export function Live({ view, moment, counted, refresh, setLive }) {
  const live = useLive(view, moment, refresh);
  const counts = useLiveCounts(view, counted.answer, live, refresh);
  // Before anything is drawn, so that bars, total and rows agree.
  useLayoutEffect(() => setLive(live && { ...live, counts }), [live, counts]);
  useLayoutEffect(() => () => setLive(null), []);
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
