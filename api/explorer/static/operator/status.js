import { html } from "../html.js";
import { countText } from "../times.js";
import { known, secondsText, shareText, bytesText } from "./texts.js";

/** @typedef {any} Status the answer of `/status` */

const DURABILITY = /** @type {Record<string, string>} */ ({
  checked: "checked: what is acknowledged is on disk",
  weak: "weak: acknowledged events may be lost",
  unknown: "unknown: the queue does not tell",
  stated: "stated by the operator, not checked",
});

/**
 * The service as a whole: what needs attention, and its main figures.
 * @param {{status: Status}} props
 */
export function StatusFigures({ status }) {
  const { queue } = status;
  return html`<${Attention} attention=${status.attention} />
    <dl class="figures">
      <${Figure} name="waiting to be stored" value=${known(status.backlog)}>
        ${known(status.backlog_bytes, bytesText)}
      <//>
      <${Figure}
        name="oldest of them"
        value=${status.backlog === 0 ? "none" : known(status.lag_seconds, secondsText)}
      />
      <${Figure} name="stored a second" value=${known(status.stored_per_second)} />
      <${Figure} name="workers" value=${known(status.workers)}>
        ${known(status.workers_wanted)} wanted
      <//>
      <${Figure} name="dead letters" value=${known(status.dead_letters)} />
      <${Figure} name="memory of the queue" value=${known(status.queue_memory_ratio, shareText)}>
        of its limit
      <//>
    </dl>
    <p class="soft">
      Durability of the queue: ${DURABILITY[queue?.durability] ?? "unknown: it does not answer"}.
      Replicas: ${known(queue?.replicas)}. Version ${status.version}; the API process that answered
      has run for ${secondsText(status.uptime_seconds)}.
    </p>`;
}

/** @param {{name: string, value: string, children?: unknown}} props */
function Figure({ name, value, children }) {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}${children && html`<small>${children}</small>`}</dd>
  </div>`;
}

/** @param {{attention: string[]}} props */
function Attention({ attention }) {
  if (attention.length === 0) {
    return html`<p class="all-well"><span aria-hidden="true">✓</span> Nothing needs attention.</p>`;
  }
  return html`<div class="attention">
    <p>${countText(attention.length)} to look at:</p>
    <ul>
      ${attention.map((text) => html`<li key=${text}>${text}</li>`)}
    </ul>
  </div>`;
}
