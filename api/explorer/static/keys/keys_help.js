/** The table of keys: those that do something on the page as it is now. */
import { html } from "../html.js";
import { isRegistered } from "./actions.js";
import { ACTIONS } from "./table.js";

/** Inside of a dialog. */
export function KeysHelp() {
  const rows = ACTIONS.filter(({ name }) => isRegistered(name));
  return html`<table class="keys">
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
    <p class="quiet">In a field the keys are text, and Esc leaves it.</p>`;
}
