/** The same question as command lines, to copy. */
import { Copy } from "../copy.js";
import { html } from "../html.js";
import { addressOf } from "../service.js";
import { questionOf } from "./form.js";
import { activityLine, curlLine } from "./shell.js";

/** @param {{view: import("../view.js").View, format: "ndjson" | "csv", columns: string[]}} props */
export function Commands({ view, format, columns }) {
  const question = questionOf(view);
  const form = { format, columns: format === "csv" ? columns.join(",") : "" };
  const root = addressOf("/").replace(/\/$/, "");
  const lines = [
    ["activity query", activityLine(root, question, { format, columns, file: `events.${format}` })],
    ["curl", curlLine(addressOf("/events/export"), { ...question, ...form })],
  ];
  return html`<section class="commands">
    <h3>The same as a command line</h3>
    ${lines.map(
      ([name, line]) =>
        html`<div key=${name} class="command">
          <pre tabindex="0" aria-label=${name}>${line}</pre>
          <${Copy} text=${line} what=${`the line with ${name}`} />
        </div>`,
    )}
    <p class="quiet">
      For sh, bash and zsh. Both send the key in <code>ACTIVITY_KEY</code>, if it is set;${" "}
      <code>activity query</code> goes on over a break.
    </p>
  </section>`;
}
