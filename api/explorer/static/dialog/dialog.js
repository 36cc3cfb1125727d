/** A dialog over the page. The browser keeps the focus inside, closes by Esc, and gives it back. */
import { useEffect, useId, useRef } from "preact/hooks";

import { html } from "../html.js";

/**
 * Show the children until `close` is called, which takes the dialog off the page.
 * @param {{title: string, close: () => void, isFirm?: boolean, children?: unknown}} props `isFirm`:
 *   a click beside it does not close it
 */
export function Dialog({ title, close, isFirm = false, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const heading = useId();
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      // Taken off the page while open, it would leave the focus nowhere.
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  /** @param {MouseEvent} event */
  const onClick = (event) => !isFirm && event.target === dialog.current && close();
  return html`<dialog
    ref=${dialog}
    class="dialog"
    aria-labelledby=${heading}
    onClose=${close}
    onClick=${onClick}
  >
    <div class="dialog-body">
      <header>
        <h2 id=${heading}>${title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick=${close}>×</button>
      </header>
      ${children}
    </div>
  </dialog>`;
}
