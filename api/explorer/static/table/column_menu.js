import { useEffect, useRef, useState } from "preact/hooks";

import { keysOf } from "../data_paths.js";
import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { DEFAULTS, changeView } from "../view.js";
import { FIELDS, pathsIn } from "./columns.js";

const LOOKED_AT = 300; // rows whose data names the paths that are offered

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {import("../view.js").View} View
 * @typedef {{view: View, hidden: readonly string[], rows: readonly EventRow[]}} Props `hidden`:
 *   columns that have no room
 */

/**
 * Which columns the table has.
 * @param {Props} props
 */
export function ColumnMenu(props) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const close = () => {
    setOpen(false);
    if (box.current?.contains(document.activeElement)) button.current?.focus();
  };
  useAction("back", close, isOpen);
  useEffect(() => {
    if (!isOpen) return undefined;
    const outside = (/** @type {PointerEvent} */ event) =>
      box.current?.contains(/** @type {Node} */ (event.target)) || setOpen(false);
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [isOpen]);
  return html`<div class="column-menu" ref=${box}>
    <button
      ref=${button}
      type="button"
      class="plain"
      aria-expanded=${isOpen}
      onClick=${() => setOpen(!isOpen)}
    >
      Columns
    </button>
    ${isOpen && html`<${Choices} ...${props} />`}
  </div>`;
}

/** @param {Props} props */
function Choices({ view, hidden, rows }) {
  const others = view.columns.filter((name) => !FIELDS.includes(name));
  const isDefault = Object.keys(view.widths).length === 0 && sameAs(view.columns);
  const restore = () => changeView({ columns: DEFAULTS.columns, widths: {} }, { replace: true });
  return html`<div class="drop" role="group" aria-label="columns">
    <ul>
      ${[...FIELDS, ...others].map(
        (name) =>
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
          </li>`,
      )}
    </ul>
    <${Adder} view=${view} rows=${rows} />
    <button type="button" class="plain" disabled=${isDefault} onClick=${restore}>Reset</button>
  </div>`;
}

/** @param {readonly string[]} columns */
const sameAs = (columns) => columns.join("\n") === DEFAULTS.columns.join("\n");

/**
 * Fields keep their usual order; paths in `data` stand behind, in the order they were added.
 * @param {readonly string[]} columns
 * @param {string} name
 */
export function toggled(columns, name) {
  if (columns.includes(name)) return columns.filter((other) => other !== name);
  const all = [...columns, name];
  const fields = FIELDS.filter((field) => all.includes(field));
  return [...fields, ...all.filter((column) => !FIELDS.includes(column))];
}

/** @param {{view: View, rows: readonly EventRow[]}} props */
function Adder({ view, rows }) {
  const [fault, setFault] = useState("");
  const offered = pathsIn(rows.slice(0, LOOKED_AT));
  const add = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("path"));
    const path = withPrefix(field.value.trim());
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
const withPrefix = (path) => (path.startsWith("data.") ? path : `data.${path}`);
