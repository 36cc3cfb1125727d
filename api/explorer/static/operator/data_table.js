import { html } from "../html.js";

/**
 * A table that scrolls sideways where it has no room.
 * @param {{caption: string, heads: unknown[], numbers?: unknown[], children?: unknown}} props a head
 *   may be a node; `numbers`: the heads of columns of numbers
 */
export function DataTable({ caption, heads, numbers = [], children }) {
  return html`<div class="scrolling" tabindex="0" role="region" aria-label=${caption}>
    <table>
      <caption class="unseen">
        ${caption}
      </caption>
      <thead>
        <tr>
          ${heads.map((head) => html`<th scope="col" class=${numbers.includes(head) ? "number" : ""}>${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${children}
      </tbody>
    </table>
  </div>`;
}
