import { html } from "../html.js";
import { changeView } from "../view.js";
import { useExport } from "./running.js";

/** Over the page, while the dialog is closed. @param {{view: import("../view.js").View}} props */
export function ExportNotice({ view }) {
  const job = useExport();
  if (!job || view.panel === "export") return null;
  const percent = job.total
    ? `${Math.min(100, Math.floor((100 * job.progress.rows) / job.total))} %`
    : "";
  const text = {
    running: `Export ${percent}`,
    done: "Export is whole",
    failed: "Export failed",
    cancelled: "Export cancelled",
  };
  return html`<button
    type="button"
    class="export-notice"
    onClick=${() => changeView({ panel: "export" })}
  >
    ${text[job.kind]}
  </button>`;
}
