/** One named view in the list. */
import { useState } from "preact/hooks";

import { html } from "../html.js";
import { rangeText, zoneOf } from "../times.js";
import { viewOf } from "../view.js";
import { MAX_NAME } from "./store.js";

/**
 * @param {{saved: import("./store.js").NamedView, open: (search: string) => void,
 *   change: (act: (views: import("./store.js").NamedViews) => void) => boolean}} props
 */
export function ViewLine({ saved, open, change }) {
  const [isRenamed, setRenamed] = useState(false);
  const { name, search } = saved;
  const rename = (/** @type {string} */ to) => {
    if (change((views) => views.rename(name, to || name))) setRenamed(false);
  };
  if (isRenamed)
    return html`<li>
      <${Rename} name=${name} rename=${rename} end=${() => setRenamed(false)} />
    </li>`;
  return html`<li class="view-line">
    <button type="button" class="plain view-open" onClick=${() => open(search)}>
      <strong>${name}</strong> <span class="quiet">${describe(search)}</span>
    </button>
    <button
      type="button"
      class="plain"
      aria-label=${`Rename ${name}`}
      onClick=${() => setRenamed(true)}
    >
      Rename
    </button>
    <button
      type="button"
      class="plain"
      aria-label=${`Delete ${name}`}
      onClick=${() => change((views) => views.remove(name))}
    >
      Delete
    </button>
  </li>`;
}

/** @param {string} search */
function describe(search) {
  const view = viewOf(search);
  return [view.page === "operator" ? "operator's page" : view.q, rangeText(view, zoneOf(view))]
    .filter(Boolean)
    .join(" · ");
}

/** @param {{name: string, rename: (to: string) => void, end: () => void}} props */
function Rename({ name, rename, end }) {
  const [to, setTo] = useState(name);
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    rename(to.trim());
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault(); // the dialog stays
    end();
  };
  return html`<form class="view-save" onSubmit=${submit}>
    <input
      aria-label=${`New name of ${name}`}
      maxlength=${MAX_NAME}
      value=${to}
      ref=${(/** @type {HTMLInputElement | null} */ field) => field !== document.activeElement && field?.select()}
      onInput=${(/** @type {any} */ { target }) => setTo(target.value)}
      onKeyDown=${onKeyDown}
    />
    <button type="submit">Rename</button>
  </form>`;
}
