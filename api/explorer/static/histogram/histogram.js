import { useMemo } from "preact/hooks";
import { html } from "../html.js";
import { changeView } from "../view.js";
import { periodBefore } from "../filters.js";
import { withTerm } from "../question/terms.js";
import { countText, zoneOf } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { Bars } from "./bars.js";
import { modelOf } from "./model.js";
import { useCounts } from "./statistics.js";

/**
 * @param {{view: import("../view.js").View, params: import("../service.js").Params | null,
 *   statistics: import("./statistics.js").Statistics & {added: number}}} props
 *   `added`: how many of the last bars came live
 */
export function Histogram({ view, params, statistics }) {
  const { answer, trouble, loading, again } = statistics;
  const zone = zoneOf(view);
  const before = answer?.complete && !loading ? periodBefore(params) : null;
  const ghost = useCounts(before && { ...before, interval: answer?.interval, tz: zone });
  const isGhost = before !== null && !ghost.loading && ghost.answer?.complete === true;
  const model = useMemo(
    () => answer && modelOf(answer, isGhost ? ghost.answer : null, statistics.added),
    [answer, isGhost && ghost.answer],
  );
  if (trouble && trouble.status !== 422) {
    return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  }
  return html`<div class=${loading ? "histogram-inside old" : "histogram-inside"}>
    <div class="over-bars">
      ${model && html`<${Legend} view=${view} model=${model} />`}
      ${view.by === "occurred_at" && html`<span class="quiet">bars by created_at</span>`}
      ${!trouble && html`<${Grouping} view=${view} />`}
    </div>
    ${model ? html`<${Chart} ...${{ view, model, zone }} />` : html`<div class="chart"></div>`}
  </div>`;
}

/**
 * @param {{view: import("../view.js").View, model: import("./model.js").Model, zone: string}} props
 */
function Chart({ view, model, zone }) {
  const zoom = (/** @type {[number, number]} */ window) => {
    const [from, to] = window.map((at) => new Date(at * 1000).toISOString());
    if (from && to) changeView({ from, to });
  };
  const isOpen = model.counted > model.from;
  const known = (model.to - model.counted) / Math.max(model.to - model.from, 1);
  return html`<div class="chart-box">
    <${Bars}
      ...${{ model, zone, zoom }}
      canDrag=${view.by === "created_at"}
      pick=${(/** @type {import("./model.js").Group} */ group) => pick(view, group)}
    />
    ${
      isOpen &&
      html`<div class="counting">
        <p style=${{ width: `${100 - known * 100}%` }}>counting …</p>
      </div>`
    }
  </div>`;
}

/**
 * @param {import("../view.js").View} view
 * @param {import("./model.js").Group} group
 */
function pick(view, { value }) {
  if (value !== null) changeView({ q: withTerm(view.q, view.group, value) });
}

/** What the colours mean; each value is a filter. Without groups, what the ghost line is.
 * @param {{view: import("../view.js").View, model: import("./model.js").Model}} props
 */
function Legend({ view, model }) {
  if (model.groups.length === 0) {
    return html`<p class="legend quiet">
      ${model.ghost.length > 0 && html`<span><i class="ghost-line"></i>the period before</span>`}
    </p>`;
  }
  return html`<ul class="legend">
    ${model.groups.map(
      (group) =>
        html`<li key=${group.name}>
          <button
            type="button"
            class="plain"
            disabled=${group.value === null}
            title=${`${countText(group.count)} events`}
            onClick=${() => pick(view, group)}
          >
            <i class=${`group-${group.color}`}></i>${group.name}
          </button>
        </li>`,
    )}
  </ul>`;
}

/** @param {{view: import("../view.js").View}} props */
function Grouping({ view }) {
  const changed = (/** @type {Event} */ event) =>
    changeView({ group: /** @type {HTMLSelectElement} */ (event.target).value });
  return html`<label class="grouping quiet">
    group by${" "}
    <select value=${view.group} onChange=${changed}>
      ${["", "component", "environment"].map(
        (each) =>
          html`<option key=${each} value=${each} selected=${each === view.group}>
            ${each || "nothing"}
          </option>`,
      )}
    </select>
  </label>`;
}
