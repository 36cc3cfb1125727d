import { useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { rangeText, zoneOf } from "../times.js";
import { later } from "../later.js";
import { useOutside } from "../outside.js";

const TimeForm = later(
  () => import("./time_form.js").then((part) => part.TimeForm),
  "time/time_form.css",
);

/**
 * The time of the view as a button; it opens the form that changes it.
 * @param {{view: import("../view.js").View, moment: import("../filters.js").Moment | null}} props
 */
export function TimePicker({ view, moment }) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const zone = zoneOf(view);
  const close = () => (setOpen(false), button.current?.focus());
  useAction("time", () => setOpen(true));
  useAction("back", close, isOpen);
  useOutside(box, isOpen, () => setOpen(false));
  const leave = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !isOpen) return;
    event.preventDefault();
    close();
  };
  return html`<div class="time" ref=${box} onKeyDown=${leave}>
    <button
      ref=${button}
      type="button"
      aria-haspopup="dialog"
      aria-expanded=${isOpen}
      title=${`${view.by}, ${zone}`}
      onClick=${() => setOpen(!isOpen)}
    >
      ${view.by === "occurred_at" && html`<span class="quiet">occurred</span>`}
      ${rangeText(view, zone)}
      <span class="quiet zone">${shortZone(zone)}</span>
      <span class="quiet" aria-hidden="true">▾</span>
    </button>
    ${isOpen && html`<${TimeForm} ...${{ view, moment, close }} />`}
  </div>`;
}

/** @param {string} zone */
const shortZone = (zone) => zone.slice(zone.lastIndexOf("/") + 1).replaceAll("_", " ");
