import { Component } from "preact";

import { html } from "../html.js";
import { formatTime } from "../times.js";
import { readerOf } from "./columns.js";
import { Marked } from "./marked.js";

/**
 * @typedef {import("./columns.js").EventRow} EventRow
 * @typedef {{layout: import("./columns.js").Layout, zone: string, pattern: RegExp | null}} Shown
 * how rows are shown; the same object as long as nothing of it changes
 * @typedef {{event: EventRow, index: number, top: number, shown: Shown, isActive: boolean,
 *   isSelected: boolean, open: (id: string) => void}} Props
 * @extends {Component<Props, {}>}
 */
export class Row extends Component {
  /** @param {Props} next */
  shouldComponentUpdate(next) {
    return /** @type {(keyof Props)[]} */ (Object.keys(next)).some(
      (name) => name !== "open" && next[name] !== this.props[name],
    );
  }

  render() {
    const { event, index, top, shown, isActive, isSelected } = this.props;
    return html`<div
      role="row"
      id=${rowId(event.id)}
      aria-rowindex=${index + 2}
      aria-selected=${isSelected}
      class=${isActive ? "row active" : "row"}
      style=${{ transform: `translateY(${top}px)` }}
      onClick=${this.#clicked}
    >
      ${shown.layout.columns.map(
        ({ name }) => html`<${Cell} key=${name} event=${event} name=${name} shown=${shown} />`,
      )}
    </div>`;
  }

  /** A click that ends the marking of text is none. */
  #clicked = () => {
    if (document.getSelection()?.type !== "Range") this.props.open(this.props.event.id);
  };
}

/** @param {string} id */
export const rowId = (id) => `row-${id}`;

/** @param {{event: EventRow, name: string, shown: Shown}} props */
function Cell({ event, name, shown }) {
  const text = readerOf(name)(event);
  if (TIMES.includes(name)) {
    return html`<div role="gridcell" class="cell time" title=${text}>
      <${Marked} text=${timeText(text, shown)} pattern=${shown.pattern} />
    </div>`;
  }
  return html`<div role="gridcell" class="cell" dir="auto">
    <${Marked} text=${text} pattern=${shown.pattern} />
  </div>`;
}

const TIMES = ["time", "occurred_at"];

/**
 * @param {string} instant
 * @param {Pick<Shown, "zone" | "layout">} shown
 */
function timeText(instant, { zone, layout }) {
  if (instant === "") return "";
  if (layout.times === "full") return formatTime(instant, zone);
  if (layout.times === "clock") return formatTime(instant, zone, "second").slice(11);
  return formatTime(instant, zone).slice("2026-".length);
}

/** What a time could have in it: the times of all rows are written only to look for such a text. */
const LIKE_A_TIME = /^[\d\s:.\\-]+$/;

/**
 * Return the text that a row shows in each column, as far as it can have what is looked for.
 * @param {Pick<Shown, "zone" | "layout">} shown
 * @returns {import("./finder.js").Texts}
 */
export function textsOf(shown) {
  const names = shown.layout.columns.map(({ name }) => name);
  const plain = names.filter((name) => !TIMES.includes(name)).map(readerOf);
  const times = names.filter((name) => TIMES.includes(name)).map(readerOf);
  return (event, pattern) => [
    ...plain.map((read) => read(event)),
    ...(LIKE_A_TIME.test(pattern.source) ? times.map((read) => timeText(read(event), shown)) : []),
  ];
}
