import { useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { later } from "../later.js";
import { useOutside } from "../outside.js";

const ColumnChoices = later(() => import("./column_choices.js").then((part) => part.ColumnChoices));

/**
 * Which columns the table has.
 * @param {import("./column_choices.js").Props} props
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
  useOutside(box, isOpen, () => setOpen(false));
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
    ${isOpen && html`<${ColumnChoices} ...${props} />`}
  </div>`;
}
