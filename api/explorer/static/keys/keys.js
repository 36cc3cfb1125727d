/** The keyboard of the page: listens to every key, and shows the table of keys. */
import { html } from "../html.js";
import { useEffect, useState } from "preact/hooks";

import { Dialog } from "../dialog/dialog.js";
import { isRegistered, onKeyDown, useAction } from "./actions.js";
import { ACTIONS } from "./table.js";

/** Put once into the app. */
export function Keys() {
  const [shown, setShown] = useState(false);
  useAction("keys", () => setShown(true));
  useEffect(() => {
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
  return shown && html`<${KeyTable} close=${() => setShown(false)} />`;
}

/** @param {{close: () => void}} props */
function KeyTable({ close }) {
  const rows = ACTIONS.filter(({ name }) => isRegistered(name));
  return html`<${Dialog} title="Keys" close=${close}>
    <table class="keys">
      <tbody>
        ${rows.map(
          ({ name, key, shown, what }) =>
            html`<tr key=${name}>
              <th scope="row"><kbd>${shown ?? key}</kbd></th>
              <td>${what}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    <p class="quiet">In a field, Esc leaves it; the other keys are text there.</p>
  <//>`;
}
