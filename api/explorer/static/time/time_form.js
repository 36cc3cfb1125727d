import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { changeView } from "../view.js";
import { eventParams } from "../filters.js";
import { formatTime, instantAt, rangeText, viewerZone, zoneOf, zones } from "../times.js";

const LAST = ["-15m", "-1h", "-4h", "-24h", "-2d", "-7d", "-30d", "-90d", "all"];

/**
 * Choose a time: one before now, or from and to; in which zone it is shown; and whose time it is.
 * @param {{view: import("../view.js").View, moment: import("../filters.js").Moment | null,
 *   close: () => void}} props
 */
export function TimeForm({ view, moment, close }) {
  const first = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => first.current?.focus(), []);
  const zone = zoneOf(view);
  const choose = (/** @type {string} */ from) => (changeView({ from, to: "" }), close());
  const current = view.to ? "" : view.from;
  return html`<div class="drop time-form" role="dialog" aria-label="time">
    <ul class="last">
      ${LAST.map(
        (from, n) =>
          html`<li key=${from}>
            <button
              ref=${from === current || (n === 0 && !LAST.includes(current)) ? first : undefined}
              type="button"
              class="plain"
              aria-pressed=${from === current}
              onClick=${() => choose(from)}
            >
              ${rangeText({ from, to: "" }, zone)}
            </button>
          </li>`,
      )}
    </ul>
    <div class="exact">
      <${FromTo} key=${zone} ...${{ view, moment, zone, close }} />
      <${Zone} ...${{ view, zone }} />
      <${By} by=${view.by} />
    </div>
  </div>`;
}

/**
 * @param {{view: import("../view.js").View, moment: import("../filters.js").Moment | null,
 *   zone: string, close: () => void}} props
 */
function FromTo({ view, moment, zone, close }) {
  const shown = eventParams({ ...view, by: "created_at" }, moment);
  const [from, setFrom] = useState(() => localOf(shown?.["from_date"], zone));
  const [to, setTo] = useState(() => (view.to ? localOf(shown?.["to_date"], zone) : ""));
  const isWrong = from !== "" && to !== "" && from >= to;
  const apply = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isWrong) return;
    changeView({ from: instantText(from, zone) || "all", to: instantText(to, zone) });
    close();
  };
  return html`<form onSubmit=${apply}>
    <${Local} label="from" value=${from} set=${setFrom} />
    <${Local} label="to" value=${to} set=${setTo} />
    <button type="submit" class="main" disabled=${isWrong}>Show</button>
    <p class="quiet" role="status">
      ${isWrong ? "“from” is not before “to”" : "“to” is not included; without it: now"}
    </p>
  </form>`;
}

/** @param {{label: string, value: string, set: (value: string) => void}} props */
function Local({ label, value, set }) {
  const changed = (/** @type {Event} */ event) =>
    set(/** @type {HTMLInputElement} */ (event.target).value);
  return html`<label>
    <span class="quiet">${label}</span>
    <input
      type="datetime-local"
      step="1"
      max="9999-12-31T00:00"
      value=${value}
      onInput=${changed}
    />
  </label>`;
}

/** @param {{view: import("../view.js").View, zone: string}} props */
function Zone({ view, zone }) {
  const own = viewerZone();
  const [names] = useState(() => [...new Set([own, ...zones(), zone])]);
  const changed = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.target);
    changeView({ zone: value === own ? "" : value });
  };
  return html`<label>
    <span class="quiet">zone</span>
    <select value=${view.zone || own} onChange=${changed}>
      ${names.map(
        (name) =>
          html`<option key=${name} value=${name} selected=${name === zone}>
            ${name === own ? `${name} (yours)` : name}
          </option>`,
      )}
    </select>
  </label>`;
}

const BY = [
  ["created_at", "accepted", "when the service accepted it"],
  ["occurred_at", "occurred", "when it happened, by its producer's clock"],
];

/** @param {{by: string}} props */
function By({ by }) {
  return html`<fieldset>
    <legend class="quiet">time of an event</legend>
    ${BY.map(
      ([name, label, title]) =>
        html`<label key=${name} title=${title}>
          <input
            type="radio"
            name="by"
            checked=${name === by}
            onChange=${() => changeView({ by: name ?? "" })}
          />
          ${label} <code class="quiet">${name}</code>
        </label>`,
    )}
  </fieldset>`;
}

/**
 * @param {unknown} instant
 * @param {string} zone
 */
function localOf(instant, zone) {
  if (typeof instant !== "string" || isNaN(Date.parse(instant))) return "";
  return formatTime(instant, zone, "second").replace(" ", "T");
}

/**
 * @param {string} local
 * @param {string} zone
 */
function instantText(local, zone) {
  if (local === "") return "";
  const whole = local.length === 16 ? `${local}:00` : local;
  return new Date(instantAt(whole, zone)).toISOString();
}
