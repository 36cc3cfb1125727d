/** The form that trades a key for a session. The key is in no URL and no storage, and not kept here. */
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { asTrouble, getJson, sendJson } from "../service.js";
import { mustSignIn } from "./who.js";

/** @typedef {import("../service.js").Trouble} Trouble */

/**
 * @param {{signedIn: () => void, hasEnded?: boolean}} props `hasEnded`: there was a session before
 */
export function SignIn({ signedIn, hasEnded }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [trouble, setTrouble] = useState(/** @type {Trouble | null} */ (null));
  const [isSent, setSent] = useState(false);
  useEffect(() => field.current?.focus(), []);
  useEffect(() => onReturn(() => void resume(signedIn)), []);

  /** @param {Event} event */
  async function send(event) {
    event.preventDefault();
    const input = field.current;
    if (!input || isSent) return;
    setSent(true);
    try {
      await sendJson("POST", "/session", { key: input.value.trim() });
      input.value = "";
      signedIn();
    } catch (error) {
      setTrouble(asTrouble(error));
      input.select();
    }
    setSent(false);
  }

  return html`<main class="sign-in">
    <form onSubmit=${send}>
      <h1>Activity</h1>
      <p class="quiet">
        ${hasEnded ? "Your session or its key has ended." : "This service needs an API key."}
      </p>
      <label for="sign-in-key">API key</label>
      <input
        id="sign-in-key"
        ref=${field}
        type="password"
        required
        autocomplete="off"
        spellcheck=${false}
        placeholder="act_…"
        aria-describedby="sign-in-more"
        aria-invalid=${trouble !== null}
      />
      ${trouble && html`<p class="trouble" role="alert">${said(trouble)}</p>`}
      <button class="main" type="submit" disabled=${isSent}>Sign in</button>
      <${WhyKeys} />
    </form>
  </main>`;
}

/**
 * Call `act` each time when the page can be seen again.
 * @param {() => void} act
 * @returns {() => void} ends that
 */
function onReturn(act) {
  const changed = () => document.hidden || act();
  document.addEventListener("visibilitychange", changed);
  return () => document.removeEventListener("visibilitychange", changed);
}

/** Go on if there is a session again, of another tab. @param {() => void} signedIn */
const resume = (signedIn) =>
  getJson("/session").then(
    ({ body }) => mustSignIn(body) || signedIn(),
    () => undefined, // who signs in is told why that fails
  );

const WhyKeys = () =>
  html`<p class="quiet" id="sign-in-more">
    It needs the scope <code>read</code>. It is sent once, and no script can read what the browser
    keeps instead. An operator makes one with <code>activity keys create NAME --scope read</code>.
  </p>`;

/** @param {Trouble} trouble */
function said({ status, detail }) {
  if (status === 401) return "This key is not valid: it is mistyped, has expired or was revoked.";
  return detail;
}
