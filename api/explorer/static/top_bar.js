import { html } from "./html.js";
import { changeView, linkTo } from "./view.js";
import { act } from "./keys/actions.js";
import { LiveButton } from "./live/live_button.js";
import { SignedInButton } from "./sign_in/signed_in_button.js";
import { Question } from "./question/question.js";
import { TimePicker } from "./time/time_picker.js";

/**
 * @param {{view: import("./view.js").View, moment: import("./filters.js").Moment | null,
 *   params: import("./service.js").Params | null,
 *   statistics: import("./histogram/statistics.js").Statistics}} props
 */
export function TopBar({ view, moment, params, statistics }) {
  const open = (/** @type {string} */ panel) => () => changeView({ panel });
  const keys = () => void act("keys");
  return html`<header class="top-bar">
    <h1 class="unseen">The history of events</h1>
    <a class="brand" href="?">Activity</a>
    <${Question} view=${view} params=${params} trouble=${statistics.trouble} />
    <${TimePicker} view=${view} moment=${moment} />
    <nav aria-label="actions">
      <${LiveButton} view=${view} />
      <button type="button" class="only-narrow" onClick=${open("facets")}>Filter</button>
      <button type="button" onClick=${open("export")}>Export</button>
      <button type="button" onClick=${open("views")}>Views</button>
      <a class="button" href=${linkTo({ page: "operator" })}>Operate</a>
      <${SignedInButton} />
      <button type="button" class="plain" aria-label="keys" onClick=${keys}>?</button>
    </nav>
  </header>`;
}
