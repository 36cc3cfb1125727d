import { html } from "../html.js";
import { countText } from "../times.js";

/**
 * The button over the rows that shows what came while they were scrolled away or paused.
 * @param {{live: import("./use_live.js").Live | null}} props
 */
export function NewRows({ live }) {
  if (!live?.count) return null;
  const more = live.state.kind === "full" ? " or more" : "";
  return html`<button type="button" class="new-rows" onClick=${live.show}>
    ${countText(live.count)}${more} new ↑
  </button>`;
}
