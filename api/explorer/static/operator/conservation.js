import { html } from "../html.js";
import { formatTime } from "../times.js";
import { accountOf } from "./accounts.js";
import { known } from "./texts.js";

/**
 * Whether every accepted event is somewhere: two columns that add up to the same.
 * @param {{status: import("./status.js").Status, zone: string}} props
 */
export function ConservationCheck({ status, zone }) {
  const { conservation, shards } = status;
  if (!conservation) {
    return html`<p>Unknown: the queue does not answer, so nobody can say how many it accepted.</p>`;
  }
  const { came, went } = accountOf(conservation, shards ?? []);
  const { since } = conservation;
  return html`<${Verdict} balanced=${conservation.balanced} />
    <div class="accounts">
      <${Side} title="Came in" rows=${came} />
      <${Side} title="Where they are" rows=${went} />
    </div>
    ${since && html`<p class="soft">Counted since ${formatTime(since, zone, "second")}.</p>`}`;
}

/** @param {{balanced: boolean | null}} props */
function Verdict({ balanced }) {
  if (balanced === true) {
    return html`<p class="all-well">
      <span aria-hidden="true">✓</span> Every accepted event is accounted for.
    </p>`;
  }
  if (balanced === null) {
    return html`<p class="attention">
      Unknown: PostgreSQL or the queue does not answer. Nothing is said to be lost or well.
    </p>`;
  }
  return html`<p class="trouble" role="alert">
    Events are unaccounted for: the counts of the queue and of PostgreSQL do not agree. Change
    nothing before you have a copy of the queue's data; then follow the runbook
    "ActivityEventsUnaccounted".
  </p>`;
}

/** @param {{title: string, rows: import("./accounts.js").Row[]}} props */
function Side({ title, rows }) {
  const counts = rows.map(({ count }) => count);
  const sum = counts.includes(null) ? null : counts.reduce((a, b) => (a ?? 0) + (b ?? 0), 0);
  return html`<table>
    <caption>
      ${title}
    </caption>
    <tbody>
      ${rows.map(
        ({ name, count, hint }) =>
          html`<tr key=${name}>
            <th scope="row">${name}${hint && html` <small>${hint}</small>`}</th>
            <td class="number">${known(count)}</td>
          </tr>`,
      )}
    </tbody>
    <tfoot>
      <tr>
        <th scope="row">together</th>
        <td class="number">${known(sum)}</td>
      </tr>
    </tfoot>
  </table>`;
}
