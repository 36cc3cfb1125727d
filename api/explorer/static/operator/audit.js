import { html } from "../html.js";
import { formatTime } from "../times.js";
import { visible } from "../texts.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { DataTable } from "./data_table.js";
import { Failures } from "./failures.js";
import { useList } from "./use_list.js";

const AUDIT_NAMES = { items: "acts", next: "next_before", after: "before" };
const AUDIT_HEADS = ["time", "who", "act", "on", "result", "details"];

/**
 * Who did what: the acts of administrators, the newest first.
 * @param {{zone: string, round: number}} props another round: ask again
 */
export function Audit({ zone, round }) {
  return html`<${ActsTable} key=${round} zone=${zone} />`;
}

/** @param {{zone: string}} props */
function ActsTable({ zone }) {
  const { items, answer, next, trouble, loading, more, again } = useList(
    "/admin/audit",
    {},
    AUDIT_NAMES,
  );
  if (trouble) return html`<${PanelTrouble} trouble=${trouble} again=${again} />`;
  if (!items) return html`<p class="soft">Asking …</p>`;
  if (items.length === 0) return html`<p class="soft">Nobody has done anything yet.</p>`;
  return html`<${Failures} failures=${answer?.failures} what="acts" />
    <${DataTable} caption="Acts of administrators, the newest first" heads=${AUDIT_HEADS}>
      ${items.map(
        (line) =>
          html`<tr key=${line.id}>
            <td class="time">${formatTime(line.at, zone, "second")}</td>
            <td>${visible(line.actor)}</td>
            <td>${line.action}</td>
            <td class="mono">${visible(line.target)}</td>
            <td>${line.result}</td>
            <td class="wide soft">${detailsOf(line.details)}</td>
          </tr>`,
      )}
    <//>
    ${next && html`<button type="button" disabled=${loading} onClick=${more}>Show more</button>`}`;
}

/** @param {Record<string, unknown>} details */
const detailsOf = (details) =>
  Object.entries(details)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(" ") : String(value)}`)
    .map(visible)
    .join(", ");
