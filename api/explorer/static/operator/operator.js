import { html } from "../html.js";
import { useState } from "preact/hooks";
import { Panel } from "../panel.js";
import { zoneOf } from "../times.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { ApiKeys } from "./api_keys.js";
import { Audit } from "./audit.js";
import { ConservationCheck } from "./conservation.js";
import { Letters } from "./letters.js";
import { Rates } from "./rates.js";
import { Shards } from "./shards.js";
import { StatusFigures } from "./status.js";
import { usePolled } from "./use_polled.js";
import { linkTo } from "../view.js";

const STATUS_SECONDS = 5;

/**
 * The page of whoever operates the service. Each panel asks for itself, and fails alone.
 * @param {{view: import("../view.js").View}} props
 */
export function Operator({ view }) {
  const zone = zoneOf(view);
  const [round, setRound] = useState(0);
  const status = usePolled("/status", STATUS_SECONDS);
  const done = () => {
    setRound((last) => last + 1);
    status.again();
  };
  return html`<header class="top-bar operator-bar">
      <a class="brand" href="?">Activity</a>
      <h1>Operate</h1>
      <nav aria-label="pages">
        <a class="button" href=${linkTo({ page: "history" })}>History</a>
      </nav>
    </header>
    <main class="operator">
      <${OfStatus} title="Status" status=${status}>
        ${(/** @type {any} */ answer) => html`<${StatusFigures} status=${answer} />`}
      <//>
      <${OfStatus} title="Every event accounted for" status=${status}>
        ${(/** @type {any} */ answer) =>
          html`<${ConservationCheck} status=${answer} zone=${zone} />`}
      <//>
      <${Titled} title="The last hour"><${Rates} zone=${zone} /><//>
      <${OfStatus} title="Shards" status=${status}>
        ${(/** @type {any} */ answer) => html`<${Shards} shards=${answer.shards} />`}
      <//>
      <${Titled} title="Dead letters">
        <${Letters} zone=${zone} done=${done} count=${status.answer?.dead_letters} />
      <//>
      <${Titled} title="Keys"><${ApiKeys} zone=${zone} done=${done} /><//>
      <${Titled} title="Audit log"><${Audit} zone=${zone} round=${round} /><//>
    </main>`;
}

/** @param {{title: string, children?: unknown}} props */
function Titled({ title, children }) {
  return html`<${Panel} name=${title.toLowerCase()}>
    <h2>${title}</h2>
    ${children}
  <//>`;
}

/**
 * A panel with a part of the status. What is out of date is not shown: it could be wrong by now.
 * @param {{title: string, status: import("../service.js").Answer<any>,
 *   children?: (answer: any) => unknown}} props
 */
function OfStatus({ title, status, children }) {
  const { answer, trouble, again } = status;
  return html`<${Titled} title=${title}>
    ${
      trouble
        ? html`<${PanelTrouble} trouble=${trouble} again=${again} />`
        : answer
          ? children?.(answer)
          : html`<p class="soft">Asking …</p>`
    }
  <//>`;
}
