/** Who is signed in, and how to sign out. */
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { asTrouble, sendJson } from "../service.js";
import { wantSignIn } from "../signals.js";
import { formatTime, zoneOf } from "../times.js";
import { changeView } from "../view.js";
import { useWho } from "./who.js";

/** @param {{view: import("../view.js").View}} props */
export function SignedIn({ view }) {
  const who = useWho();
  const [trouble, setTrouble] = useState("");
  const key = who?.session.key;
  if (!who || !key) return html`<p>No key is needed here, so nobody is signed in.</p>`;
  const { until } = who.session;
  const leave = async () => {
    try {
      await sendJson("DELETE", "/session");
      changeView({ panel: "" });
      wantSignIn();
      who.again();
    } catch (error) {
      setTrouble(`You are still signed in. ${asTrouble(error).detail}`);
    }
  };
  return html`<dl class="signed-in">
      <dt>Key</dt>
      <dd>${key.name} <code>${key.id}</code></dd>
      <dt>Scopes</dt>
      <dd>${key.scopes.join(", ")}</dd>
      <dt>Components</dt>
      <dd>${limits(key.components)}</dd>
      <dt>Environments</dt>
      <dd>${limits(key.environments)}</dd>
      ${
        until &&
        html`<dt>Until</dt>
          <dd>${formatTime(until, zoneOf(view), "minute")}</dd>`
      }
    </dl>
    ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
    <button type="button" onClick=${leave}>Sign out</button>`;
}

/** @param {string[]} names */
const limits = (names) => names.join(", ") || "all";
