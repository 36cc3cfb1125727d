/** How many events have each value of a field, and how to ask for just these. */
import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { useAction } from "../keys/actions.js";
import { PanelTrouble } from "../trouble/panel_trouble.js";
import { countText } from "../times.js";
import { changeView } from "../view.js";
import { Adder } from "./adder.js";
import { Counting, NOT_COUNTED } from "./counting.js";
import { Facet } from "./facet.js";

/**
 * @typedef {import("../view.js").View} View
 * @typedef {import("../service.js").Params} Params
 */

/**
 * @param {{view: View, params: Params | null, live: number}} props `live`: how many of the events
 *   that the page counts came live, after what is counted here
 */
export function Facets({ view, params, live }) {
  const fields = view.facets.filter((field) => field !== "data"); // it is counted in another way
  const { counted, again } = useCounted(params, fields);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useAction("facets", () => focusFirst(box.current));
  const remove = (/** @type {string} */ field) =>
    changeView({ facets: view.facets.filter((other) => other !== field) });
  const trouble = commonTrouble(fields.map((field) => counted[field]));
  const againAll = () => again(fields);
  return html`<div class="facets-inside" ref=${box}>
    ${
      live > 0 &&
      html`<p class="soft none" role="note">
        Counted before the ${countText(live)} live ${live === 1 ? "event" : "events"}
      </p>`
    }
    ${trouble && html`<${PanelTrouble} trouble=${trouble} again=${againAll} />`}
    ${
      params &&
      !trouble &&
      fields.map(
        (field) =>
          html`<${Facet}
            key=${field}
            field=${field}
            counted=${counted[field] ?? NOT_COUNTED}
            view=${view}
            again=${() => again([field])}
            remove=${() => remove(field)}
          />`,
      )
    }
    <${Adder} view=${view} params=${params} />
  </div>`;
}

/**
 * @param {Params | null} params
 * @param {readonly string[]} fields
 */
function useCounted(params, fields) {
  const [counted, setCounted] = useState(
    /** @type {Readonly<Record<string, import("./counting.js").Counted>>} */ ({}),
  );
  const held = useRef(/** @type {Counting | null} */ (null));
  held.current ??= new Counting(setCounted);
  const counting = held.current;
  useEffect(() => {
    if (params) counting.count(params, fields);
  });
  useEffect(() => () => counting.stop(), []);
  return { counted, again: (/** @type {string[]} */ some) => counting.again(some) };
}

/**
 * What went wrong with all fields at once, as with a question that can't be read.
 * @param {(import("./counting.js").Counted | undefined)[]} counted
 */
function commonTrouble(counted) {
  const trouble = counted[0]?.trouble ?? null;
  return counted.length > 1 && counted.every((one) => one?.trouble === trouble) ? trouble : null;
}

/** @param {HTMLElement | null} box */
function focusFirst(box) {
  const first = /** @type {HTMLElement | null | undefined} */ (box?.querySelector("button, input"));
  if (!first?.checkVisibility()) return changeView({ panel: "facets" });
  first.focus();
  return undefined;
}
