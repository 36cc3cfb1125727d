import { html } from "../html.js";
import { useState } from "preact/hooks";
import { Dialog } from "../dialog/dialog.js";
import { asTrouble } from "../service.js";

/**
 * Ask before something is done, and do it. If that fails, the dialog stays and says why.
 * @param {{title: string, button: string, isDanger?: boolean, act: () => Promise<void>,
 *   close: () => void, children?: unknown}} props `act` closes the dialog itself
 */
export function Confirm({ title, button, isDanger = false, act, close, children }) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState("");
  const go = async () => {
    setBusy(true);
    setTrouble("");
    try {
      await act();
    } catch (error) {
      setTrouble(textOf(asTrouble(error)));
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${title} close=${close}>
    <div class="confirm">
      ${children} ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
      <div class="acts">
        <button type="button" onClick=${close}>Cancel</button>
        <button
          type="button"
          class=${isDanger ? "danger" : "main"}
          disabled=${busy}
          aria-busy=${busy}
          onClick=${go}
        >
          ${button}
        </button>
      </div>
    </div>
  <//>`;
}

/** @param {import("../service.js").Trouble} trouble */
function textOf({ status, detail }) {
  if (status !== 0) return detail;
  return "No answer came, so it is not known whether it was done. Close this, and look at the list again.";
}
