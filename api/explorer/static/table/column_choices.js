/** Which columns the table has, and in which order. */
import { useState } from "preact/hooks";

import { keysOf } from "../data_paths.js";
import { html } from "../html.js";
import { DEFAULTS, changeView } from "../view.js";
import { FIELDS, movedTo, toggled } from "./columns.js";
import { pathsIn } from "./paths_in.js";

const LOOKED_AT = 300; // rows whose data names the paths that are offered

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {import("../view.js").View} View
 * @typedef {{view: View, hidden: readonly string[], rows: readonly EventRow[]}} Props `hidden`:
 *   columns that have no room
 */

/** @param {Props} props */
export function ColumnChoices({ view, hidden, rows }) {
  const others = FIELDS.filter((name) => !view.columns.includes(name));
  const isDefault = Object.keys(view.widths).length === 0 && sameAs(view.columns);
  const restore = () => changeView({ columns: DEFAULTS.columns, widths: {} }, { replace: true });
  return html`<div class="drop" role="group" aria-label="columns">
    <ul>
      ${[...view.columns, ...others].map(
        (name, at) =>
          html`<li key=${name}>
            <label>
              <input
                type="checkbox"
                checked=${view.columns.includes(name)}
                onChange=${() => changeView({ columns: toggled(view.columns, name) }, { replace: true })}
              />
              <span dir="auto" title=${name}>${name}</span>
              ${hidden.includes(name) && html`<span class="soft">no room</span>`}
            </label>
            <${Mover} columns=${view.columns} name=${name} at=${at} />
          </li>`,
      )}
    </ul>
    <${ColumnAdder} view=${view} rows=${rows} />
    <button type="button" class="plain" disabled=${isDefault} onClick=${restore}>Reset</button>
  </div>`;
}

/** @param {readonly string[]} columns */
const sameAs = (columns) => columns.join("\n") === DEFAULTS.columns.join("\n");

/** @param {{view: View, rows: readonly EventRow[]}} props */
function ColumnAdder({ view, rows }) {
  const [fault, setFault] = useState("");
  const offered = pathsIn(rows.slice(0, LOOKED_AT));
  const add = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("path"));
    const path = columnNamed(field.value.trim());
    if (!keysOf(path)) return setFault('A path is keys with dots between, as data.customer."a b"');
    setFault("");
    field.value = "";
    if (!view.columns.includes(path)) {
      changeView({ columns: toggled(view.columns, path) }, { replace: true });
    }
  };
  return html`<form onSubmit=${add}>
    <input
      name="path"
      list="paths-in-rows"
      placeholder="data.customer.tier"
      aria-label="path in data"
      aria-invalid=${fault !== ""}
      maxlength="500"
      autocomplete="off"
    />
    <button type="submit">Add</button>
    <datalist id="paths-in-rows">
      ${offered.map((path) => html`<option key=${path} value=${path}></option>`)}
    </datalist>
    ${fault && html`<p role="alert" class="fault">${fault}</p>`}
  </form>`;
}

/** @param {string} path */
const columnNamed = (path) => (path.startsWith("data.") ? path : `data.${path}`);

/** Moves a column that is shown. @param {{columns: string[], name: string, at: number}} props */
function Mover({ columns, name, at }) {
  if (!columns.includes(name)) return null;
  const move = (/** @type {number} */ to) => () =>
    changeView({ columns: movedTo(columns, name, to) }, { replace: true });
  return html`<span class="mover">
    <button
      type="button"
      class="plain"
      aria-label=${`move ${name} left`}
      disabled=${at === 0}
      onClick=${move(at - 1)}
    >
      ←
    </button>
    <button
      type="button"
      class="plain"
      aria-label=${`move ${name} right`}
      disabled=${at === columns.length - 1}
      onClick=${move(at + 1)}
    >
      →
    </button>
  </span>`;
}
