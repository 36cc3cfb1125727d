import { useState } from "preact/hooks";

import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { later } from "../later.js";

const FindField = later(() => import("./find_field.js").then((part) => part.FindField));

/**
 * Opens the field that finds text in the rows that are loaded.
 * @param {import("./find_field.js").Props} props
 */
export function FindBar(props) {
  const [isOpen, setOpen] = useState(props.view.find !== "");
  const open = () => setOpen(true);
  useAction("find", open, !isOpen);
  if (isOpen) return html`<${FindField} ...${props} close=${() => setOpen(false)} />`;
  return html`<button type="button" class="plain" onClick=${open}>Find</button>`;
}
