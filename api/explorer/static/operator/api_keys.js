import { html } from "../html.js";
import { useState } from "preact/hooks";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { Failures } from "./failures.js";
import { KeyActs } from "./key_acts.js";
import { KeyTable } from "./key_table.js";
import { useList } from "./use_list.js";

const KEY_TABLES = { items: "keys", next: "next_after", after: "after" };

/**
 * @typedef {{id: string, name: string, scopes: string[], status: string, components: string[],
 *   environments: string[], events_per_second: number | null, events_per_day: number | null,
 *   origins: string[], created_at: string, expires_at: string | null, revoked_at: string | null,
 *   last_used_at: string | null}} Key
 * @typedef {{act: "create"} | {act: "rotate" | "revoke", key: Key}} Asked
 */

/**
 * API keys: make, rotate and revoke them.
 * @param {{zone: string, done: () => void}} props `done`: something has changed
 */
export function ApiKeys({ zone, done }) {
  const [withEnded, setWithEnded] = useState(false);
  const [asked, setAsked] = useState(/** @type {Asked | null} */ (null));
  const list = useList("/admin/keys", { all: withEnded }, KEY_TABLES);
  if (list.trouble) return html`<${PanelTrouble} trouble=${list.trouble} again=${list.again} />`;
  const changed = () => {
    list.again();
    done();
  };
  return html`<div class="tools">
      <button type="button" onClick=${() => setAsked({ act: "create" })}>New key …</button>
      <label>
        <input type="checkbox" checked=${withEnded} onChange=${() => setWithEnded(!withEnded)} />
        revoked and expired too
      </label>
    </div>
    <${Failures} failures=${list.answer?.failures} what="keys" />
    <${Unreadable} ids=${list.answer?.unreadable ?? []} />
    <${Shown} list=${list} ask=${setAsked} zone=${zone} />
    ${
      asked && html`<${KeyActs} asked=${asked} changed=${changed} close=${() => setAsked(null)} />`
    }`;
}

/**
 * @param {{list: import("./use_list.js").List<Key>, ask: (asked: Asked) => void, zone: string}} props
 */
function Shown({ list, ask, zone }) {
  const { items, next, loading, more } = list;
  if (!items) return html`<p class="soft">Asking …</p>`;
  if (items.length === 0) {
    return html`<p class="soft">
      There are no keys. While there is none, everyone on this machine may do everything; the first
      key closes the service to all others within a second.
    </p>`;
  }
  return html`<${KeyTable} keys=${items} ask=${ask} zone=${zone} />
    ${next && html`<button type="button" disabled=${loading} onClick=${more}>Show more</button>`}`;
}

/** @param {{ids: string[]}} props */
function Unreadable({ ids }) {
  if (ids.length === 0) return null;
  return html`<p class="attention">
    Nobody may use these keys, because their records can't be read: ${ids.join(", ")}
  </p>`;
}
