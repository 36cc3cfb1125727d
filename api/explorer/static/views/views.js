/** Named views: save, open, rename, delete; and the link to this one. */
import { useState } from "preact/hooks";

import { html } from "../html.js";
import { changeView, searchOf, viewOf } from "../view.js";
import { ShareLink } from "./share.js";
import { MAX_NAME } from "./store.js";
import { useViews } from "./use_views.js";
import { ViewLine } from "./view_line.js";

/** Inside of a dialog. @param {{view: import("../view.js").View}} props */
export function Views({ view }) {
  const { list, trouble, change } = useViews();
  return html`<div class="views">
    <${Save} view=${view} taken=${list.map(({ name }) => name)} change=${change} />
    ${trouble && html`<p class="trouble" role="alert">${trouble}</p>`}
    ${
      list.length
        ? html`<ul>
            ${list.map((saved) => html`<${ViewLine} key=${saved.name} saved=${saved} open=${openView} change=${change} />`)}
          </ul>`
        : html`<p class="quiet">No view is saved in this browser yet.</p>`
    }
    <p><${ShareLink} view=${view} /></p>
    <p class="quiet">Views stay in this browser. A link shows the same view to others.</p>
  </div>`;
}

/** @param {string} search */
const openView = (search) => changeView({ ...viewOf(search), panel: "" });

/**
 * @param {{view: import("../view.js").View, taken: string[],
 *   change: (act: (views: import("./store.js").NamedViews) => void) => boolean}} props
 */
function Save({ view, taken, change }) {
  const [name, setName] = useState("");
  const clean = name.trim();
  /** @param {Event} event */
  const save = (event) => {
    event.preventDefault();
    // What is selected or open now is no part of a view that is opened tomorrow.
    const search = searchOf({ ...view, panel: "", event: "", find: "" });
    if (
      clean &&
      change((views) => views.save({ name: clean, search, saved: new Date().toISOString() }))
    )
      setName("");
  };
  return html`<form class="view-save" onSubmit=${save}>
    <input
      aria-label="Name of this view"
      placeholder="Name of this view"
      maxlength=${MAX_NAME}
      value=${name}
      onInput=${(/** @type {any} */ { target }) => setName(target.value)}
    />
    <button type="submit" class="main" disabled=${!clean}>
      ${taken.includes(clean) ? "Replace" : "Save"}
    </button>
  </form>`;
}
