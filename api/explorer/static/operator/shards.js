import { html } from "../html.js";
import { DataTable } from "./data_table.js";
import { known, secondsText, bytesText } from "./texts.js";

const STATES = /** @type {Record<string, string>} */ ({
  idle: "idle",
  queued: "waits for a worker",
  draining: "is being stored",
  expired: "its worker is gone; another one takes over",
});
const SHARD_HEADS = [
  "shard",
  "state",
  "waiting",
  "size",
  "oldest",
  "accepted",
  "stored",
  "last error",
];
const NUMBERS = SHARD_HEADS.slice(2, 7);

/** @param {{shards: any[] | null}} props of `/status` */
export function Shards({ shards }) {
  if (!shards) return html`<p>Unknown: the queue does not answer.</p>`;
  return html`<${DataTable} caption="Shards of the queue" heads=${SHARD_HEADS} numbers=${NUMBERS}>
    ${shards.map(
      (shard) =>
        html`<tr key=${shard.shard}>
          <th scope="row">${shard.shard}</th>
          <td>${STATES[shard.state] ?? shard.state}</td>
          <td class="number">${known(shard.backlog)}</td>
          <td class="number">${known(shard.bytes, bytesText)}</td>
          <td class="number">${known(shard.lag_seconds, secondsText)}</td>
          <td class="number">${known(shard.accepted)}</td>
          <td class="number">${known(shard.stored)}</td>
          <td class="wide">${shard.last_error ?? "none"}</td>
        </tr>`,
    )}
  <//>`;
}
