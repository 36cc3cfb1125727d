import { html } from "../html.js";
import { countText, formatTime } from "../times.js";
import { DataTable } from "./data_table.js";

/** @typedef {import("./api_keys.js").Key} Key */

const KEY_HEADS = [
  "id",
  "name",
  "may",
  "state",
  "last used",
  "limits",
  html`<span class="unseen">acts</span>`,
];

/**
 * @param {{keys: Key[], ask: (asked: import("./api_keys.js").Asked) => void, zone: string}} props
 */
export function KeyTable({ keys, ask, zone }) {
  return html`<${DataTable} caption="API keys" heads=${KEY_HEADS}>
    ${keys.map(
      (key) =>
        html`<tr key=${key.id}>
          <td class="mono">${key.id}</td>
          <th scope="row">${key.name}</th>
          <td>${key.scopes.join(", ")}</td>
          <td><${State} of=${key} zone=${zone} /></td>
          <td class="time">
            ${key.last_used_at ? formatTime(key.last_used_at, zone, "minute") : "not recorded"}
          </td>
          <td class="wide">${limitsOf(key)}</td>
          <td class="acts"><${KeyButtons} of=${key} ask=${ask} /></td>
        </tr>`,
    )}
  <//>`;
}

/** @param {{of: Key, zone: string}} props */
function State({ of: { status, expires_at: expires, revoked_at: revoked }, zone }) {
  const ends = [expires, revoked].filter((each) => each !== null).sort()[0];
  const when = ends && formatTime(ends, zone, "minute");
  if (status === "active" && !when) return html`<span>active</span>`;
  return html`<span>
    ${status === "active" || status === "ending" ? "active until" : status} ${when}
  </span>`;
}

/** @param {{of: Key, ask: (asked: import("./api_keys.js").Asked) => void}} props */
function KeyButtons({ of: key, ask }) {
  if (key.status !== "active" && key.status !== "ending") return null;
  return html`<button type="button" class="plain" onClick=${() => ask({ act: "rotate", key })}>
      Rotate …<span class="unseen"> ${key.name}</span>
    </button>
    <button type="button" class="plain" onClick=${() => ask({ act: "revoke", key })}>
      Revoke …<span class="unseen"> ${key.name}</span>
    </button>`;
}

/** @param {Key} key */
function limitsOf(key) {
  const found = [
    ...textOr("components", key.components.join(" ")),
    ...textOr("environments", key.environments.join(" ")),
    ...textOr("", key.events_per_second && `${countText(key.events_per_second)}/s`),
    ...textOr("", key.events_per_day && `${countText(key.events_per_day)}/day`),
    ...textOr("origins", key.origins.join(" ")),
  ];
  return found.join("; ") || "none";
}

/**
 * @param {string} name
 * @param {string | number | null} text
 */
const textOr = (name, text) => (text ? [`${name} ${text}`.trim()] : []);
