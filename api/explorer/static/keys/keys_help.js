/** The table of keys: those that do something on the page as it is now. */
import { html } from "../html.js";
import { isRegistered } from "./actions.js";
import { ACTIONS } from "./table.js";

/** What each key does. @type {Record<string, string>} */
export const WHAT = {
  question: "Go to the question",
  time: "Choose the time",
  next: "Next row",
  previous: "Previous row",
  detail: "Open the event of the row",
  back: "Back: close what was opened last",
  around: "What stands around the event",
  person: "Timeline of the person of the event",
  find: "Find in the rows that are loaded",
  facets: "Go to the counts of values",
  live: "Live: on and off",
  pause: "Live: pause and go on",
  newest: "Live: show the new events",
  export: "Export these events",
  views: "Named views",
  share: "Copy the link to this view",
  keys: "Show this table",
};

/** Inside of a dialog. */
export function KeysHelp() {
  const rows = ACTIONS.filter(({ name }) => isRegistered(name));
  return html`<table class="keys">
      <tbody>
        ${rows.map(
          ({ name, key, shown }) =>
            html`<tr key=${name}>
              <th scope="row"><kbd>${shown ?? key}</kbd></th>
              <td>${WHAT[name]}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    <p class="quiet">
      In a field the keys are text, and Esc leaves it. In the question Tab takes the completion that
      the arrows marked, or the only one.
    </p>`;
}
