/** Export of just what the view shows: to a file with a progress figure, or by a command line. */
import { useState } from "preact/hooks";

import { html } from "../html.js";
import { Commands } from "./commands.js";
import { TYPES, columnsOf, fileName } from "./form.js";
import { startExport } from "./job.js";
import { Progress, sizeText } from "./progress.js";
import { useExport } from "./running.js";
import { MAX_HELD, fileSink, heldSink, writesFiles } from "./sinks.js";

/**
 * @typedef {import("../view.js").View} View
 * @typedef {import("../service.js").Params} Params
 * @typedef {"ndjson" | "csv"} Format
 */

/** Inside of a dialog. @param {{view: View, params: Params | null}} props */
export function ExportPanel({ view, params }) {
  const job = useExport();
  const [format, setFormat] = useState(/** @type {Format} */ ("ndjson"));
  const [isNarrow, setNarrow] = useState(false);
  const columns = isNarrow ? columnsOf(view) : [];
  const start = () => params && void begin(params, format, columns);
  return html`${
      job
        ? html`<${Progress} job=${job} />`
        : html`<div class="export-form">
            <${Formats} format=${format} setFormat=${setFormat} />
            ${
              format === "csv" &&
              html`<label>
                <input type="checkbox" checked=${isNarrow} onChange=${() => setNarrow(!isNarrow)} />
                only the columns of the table, and the id
              </label>`
            }
            <p>
              <button type="button" class="main" disabled=${!params} onClick=${start}>
                ${writesFiles() ? "Choose a file and export" : "Export"}
              </button>
            </p>
            <p class="quiet">
              All events of the question and time, oldest first.
              ${!writesFiles() && ` This browser lets a page write no file, so at most ${sizeText(MAX_HELD)}.`}
            </p>
          </div>`
    } <${Commands} view=${view} format=${format} columns=${columns} />`;
}

/** @param {{format: Format, setFormat: (format: Format) => void}} props */
function Formats({ format, setFormat }) {
  /** @type {[Format, string][]} */
  const choices = [
    ["ndjson", "JSON, an event a line"],
    ["csv", "CSV, for spreadsheets"],
  ];
  return html`<fieldset class="export-formats">
    <legend class="unseen">Format</legend>
    ${choices.map(
      ([name, text]) =>
        html`<label key=${name}>
          <input
            type="radio"
            name="format"
            checked=${format === name}
            onChange=${() => setFormat(name)}
          />${" "} ${text}
        </label>`,
    )}
  </fieldset>`;
}

/**
 * @param {Params} params
 * @param {Format} format
 * @param {string[]} columns
 */
async function begin(params, format, columns) {
  const name = fileName(format, Date.now());
  const sink = writesFiles()
    ? await fileSink(name).catch(() => null)
    : heldSink(name, TYPES[format]);
  if (!sink) return; // no file was chosen
  await startExport(params, { format, columns: columns.join(",") }, name, sink);
}
