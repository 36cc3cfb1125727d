import { useState } from "preact/hooks";

import { html } from "../html.js";
import { LEVEL, Level, TreeNode } from "./node.js";
import { ROOT, innersOf, isInner } from "./places.js";

/**
 * @typedef {import("../exact.js").Json} Json
 * @typedef {import("../view.js").View} View
 */

const AT_FIRST = { left: 60, depth: 3 };
const ALL = { left: 3000, depth: Infinity };

/**
 * `data` as a tree. What is closed is not in the document.
 * @param {{data: Json, view: View}} props
 */
export function Tree({ data, view }) {
  const [opened, setOpened] = useState({ round: 0, how: AT_FIRST });
  const open = (/** @type {typeof AT_FIRST} */ how) =>
    setOpened(({ round }) => ({ round: round + 1, how }));
  const hasInner = innersOf(data, ROOT, LEVEL).some(({ value }) => isInner(value));
  return html`<div class="tree">
    <header>
      <h2>data</h2>
      ${
        hasInner &&
        html`<span>
          <button type="button" class="plain" onClick=${() => open(ALL)}>Open all</button>
          <button type="button" class="plain" onClick=${() => open({ left: 0, depth: 0 })}>
            Close all
          </button>
        </span>`
      }
    </header>
    <div class="tree-lines" key=${opened.round}>
      ${
        isInner(data)
          ? html`<${Level}
              value=${data}
              place=${ROOT}
              depth=${0}
              opening=${{ ...opened.how }}
              view=${view}
            />`
          : html`<ul>
              <${TreeNode} label="" place=${ROOT} value=${data} depth=${0} view=${view} />
            </ul>`
      }
    </div>
  </div>`;
}
