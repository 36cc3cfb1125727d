import { html } from "../html.js";
import { countText } from "../times.js";

/**
 * The line of figures: how many events, whether that is exact, how long it took, how fresh it is.
 * @param {{statistics: import("./statistics.js").Statistics}} props
 */
export function Summary({ statistics }) {
  const { answer } = statistics;
  return html`<p class="summary">${answer && `${countText(answer.total)} events`}</p>`;
}
