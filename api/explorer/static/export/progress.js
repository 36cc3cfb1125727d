/** How far an export is, and what became of it. */
import { html } from "../html.js";
import { countText } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { cancelExport, forgetExport } from "./job.js";
import { MAX_HELD } from "./sinks.js";

/** @typedef {import("./running.js").Job} Job */

const MIB = 1024 * 1024;

/** @param {number} bytes */
export function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < MIB) return `${(bytes / 1024).toFixed(0)} KiB`;
  if (bytes % MIB === 0 && bytes < 1024 * MIB) return `${bytes / MIB} MiB`;
  return bytes < 1024 * MIB
    ? `${(bytes / MIB).toFixed(1)} MiB`
    : `${(bytes / (1024 * MIB)).toFixed(2)} GiB`;
}

/** How much of it is there. @param {Job} job */
export function progressText({ progress: { rows, bytes }, total, kind }) {
  const of = total !== null && kind === "running" ? ` of ${countText(total)}` : "";
  return `${countText(rows)}${of} ${rows === 1 && !of ? "event" : "events"}, ${sizeText(bytes)}`;
}

/** In the dialog. @param {{job: Job}} props */
export function Progress({ job }) {
  const { kind, name, progress, total, trouble, isTooLarge } = job;
  if (kind === "running") {
    return html`<div class="export-progress">
      <p><code>${name}</code></p>
      <progress
        aria-label="Export"
        max=${total || 1}
        value=${total === null ? undefined : Math.min(progress.rows, total)}
      />
      <p role="status">${progressText(job)}</p>
      ${progress.waiting && html`<p class="quiet">${progress.waiting}</p>`}
      <button type="button" onClick=${cancelExport}>Cancel</button>
    </div>`;
  }
  const again = html`<button type="button" onClick=${forgetExport}>Another export</button>`;
  if (kind === "done")
    return html`<p role="status">Whole: ${progressText(job)} in <code>${name}</code>.</p>
      ${again}`;
  if (kind === "cancelled")
    return html`<p role="status">Cancelled. Nothing was written.</p>
      ${again}`;
  if (isTooLarge) {
    return html`<p role="alert">
        This browser can't write files, and a page may hold ${sizeText(MAX_HELD)} at most. Choose a
        shorter time, or run one of the lines below. Nothing was written.
      </p>
      ${again}`;
  }
  return html`${trouble && html`<${PanelTrouble} trouble=${trouble} />`}${again}`;
}
