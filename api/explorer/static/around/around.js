/** What stands before and after the selected event. */
import { useLayoutEffect, useRef } from "preact/hooks";

import { html } from "../html.js";
import { durationText, zoneOf } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { changeView } from "../view.js";
import { EventLine } from "./event_line.js";
import { useNeighbours } from "./neighbours.js";

/**
 * @typedef {import("./neighbours.js").Found} Found
 * @typedef {import("./neighbours.js").Side} Side
 * @typedef {import("../view.js").View} View
 */

/** @type {[string, string][]} */
const SAMES = [
  ["", "all events"],
  ["component", "same component"],
  ["environment", "same environment"],
  ["email", "same person"],
];

/** `view.panel` is `around`, or `around:component`. @param {{view: View}} props */
export function Around({ view }) {
  const same = sameOf(view.panel);
  const { found, trouble, more, again } = useNeighbours(view.event, same);
  return html`<header class="panel-head">
      <h2>Around it</h2>
      <${Same} same=${same} hasEmail=${Boolean(found?.event.email)} />
      <button type="button" onClick=${() => changeView({ panel: "" })}>Detail</button>
    </header>
    ${
      found
        ? html`<${Lines} found=${found} view=${view} same=${same} more=${more} />`
        : !trouble && html`<p class="quiet" role="status">Looking …</p>`
    }
    ${trouble && html`<${PanelTrouble} trouble=${trouble} again=${again} />`}`;
}

/** @param {string} panel */
function sameOf(panel) {
  const same = panel.split(":")[1] ?? "";
  return SAMES.some(([name]) => name === same) ? same : "";
}

/** @param {{same: string, hasEmail: boolean}} props */
function Same({ same, hasEmail }) {
  const choices = SAMES.filter(([name]) => name !== "email" || hasEmail || same === "email");
  /** @param {Event} event */
  const onChange = ({ target }) => {
    const { value } = /** @type {HTMLSelectElement} */ (target);
    changeView({ panel: value ? `around:${value}` : "around" }, { replace: true });
  };
  return html`<select aria-label="Which events" value=${same} onChange=${onChange}>
    ${choices.map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
  </select>`;
}

/** @param {{found: Found, view: View, same: string, more: (side: Side) => void}} props */
function Lines({ found, view, same, more }) {
  const marked = useMarked(found, same);
  const zone = zoneOf(view);
  const events = [...found.before, found.event, ...found.after];
  /** @type {Side[]} */
  const sides = ["before", "after"];
  if (view.order === "desc") {
    events.reverse();
    sides.reverse();
  }
  const [first, last] = sides.map(
    (side) => html`<${More} key=${side} side=${side} ended=${found.ended[side]} more=${more} />`,
  );
  return html`${first}
    <ol class="event-lines">
      ${events.map((event) => {
        const isIt = event.id === found.event.id;
        const note = isIt ? receiptText(found.event.receipt) : offsetText(event, found.event);
        const line = html`<${EventLine}
          event=${event}
          zone=${zone}
          note=${note}
          marked=${isIt}
          hides=${same}
        />`;
        return html`<li key=${event.id} ref=${isIt ? marked : null}>${line}</li>`;
      })}
    </ol>
    ${last}`;
}

/**
 * Show the event itself at first, and keep it where it is when events are added above it.
 * @param {Found} found
 * @param {string} same
 */
function useMarked(found, same) {
  const marked = useRef(/** @type {HTMLLIElement | null} */ (null));
  const last = useRef({ key: "", top: 0 });
  useLayoutEffect(() => {
    const line = marked.current;
    const scroller = line?.closest(".panel");
    if (!line || !scroller) return;
    const top = line.getBoundingClientRect().top + scroller.scrollTop;
    const key = `${found.event.id} ${same}`;
    if (last.current.key === key) scroller.scrollTop += top - last.current.top;
    else line.scrollIntoView({ block: "center" });
    last.current = { key, top };
  }, [found, same]);
  return marked;
}

/** @param {{side: Side, ended: boolean, more: (side: Side) => void}} props */
function More({ side, ended, more }) {
  const text = side === "before" ? "earlier" : "later";
  return html`<p class="more">
    ${ended && html`<span class="quiet">nothing ${text}</span>`}
    ${
      (!ended || side === "after") &&
      html`<button type="button" onClick=${() => more(side)}>
        ${ended ? "Look again" : `More ${text}`}
      </button>`
    }
  </p>`;
}

/** @param {string} receipt */
const receiptText = (receipt) => (receipt === "stored" ? "this event" : `this event (${receipt})`);

/**
 * How far an event is from the selected one: `+0.3 s`.
 * @param {import("../live/rows.js").EventRow} event
 * @param {import("../live/rows.js").EventRow} from
 */
function offsetText(event, from) {
  const ms = Date.parse(event.created_at) - Date.parse(from.created_at);
  return `${ms < 0 ? "−" : "+"}${durationText(Math.abs(ms))}`;
}
