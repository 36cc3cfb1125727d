import { html } from "./html.js";
import { changeView, linkTo } from "./view.js";
import { act, useAction } from "./keys/actions.js";
import { Question } from "./question/question.js";
import { TimePicker } from "./time/time_picker.js";

/**
 * @param {{view: import("./view.js").View, moment: import("./filters.js").Moment | null,
 *   params: import("./service.js").Params | null,
 *   statistics: import("./histogram/statistics.js").Statistics}} props
 */
export function TopBar({ view, moment, params, statistics }) {
  const open = (/** @type {string} */ panel) => () => changeView({ panel });
  const live = () => changeView({ live: !view.live });
  const keys = () => void act("keys");
  useAction("export", open("export"));
  useAction("views", open("views"));
  return html`<header class="top-bar">
    <a class="brand" href="?">Activity</a>
    <${Question} view=${view} params=${params} trouble=${statistics.trouble} />
    <${TimePicker} view=${view} moment=${moment} />
    <nav aria-label="actions">
      <button type="button" aria-pressed=${view.live} class="live-switch" onClick=${live}>
        Live
      </button>
      <button type="button" class="only-narrow" onClick=${open("facets")}>Filter</button>
      <button type="button" onClick=${open("export")}>Export</button>
      <button type="button" onClick=${open("views")}>Views</button>
      <a class="button" href=${linkTo({ page: "operator" })}>Operate</a>
      <button type="button" class="plain" aria-label="keys" onClick=${keys}>?</button>
    </nav>
  </header>`;
}
