import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { countText, formatTime } from "../times.js";
import { drawBars } from "./chart.js";
import { spanOf, shownSpan } from "./model.js";

/**
 * The bars, what is told of the one under the pointer, and the same by keys: arrows choose a bar,
 * Enter zooms into it.
 * @param {{model: import("./model.js").Model, zone: string, canDrag: boolean,
 *   zoom: (window: [number, number]) => void,
 *   pick: (group: import("./model.js").Group) => void}} props
 */
export function Bars({ model, zone, canDrag, zoom, pick }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [{ bar, left }, hover] = useState({ bar: -1, left: 0 });
  const isDark = useDark();
  useEffect(() => {
    const inside = place.current;
    if (!inside) return;
    const plot = drawBars(inside, model, {
      zone,
      canDrag,
      hover: (under, at) => hover({ bar: under, left: at + plot.bbox.left / devicePixelRatio }),
      drag: (begin, end) => zoom(shownSpan(model, begin, end)),
      click: (under, height) => {
        const group = groupAt(model, under, height);
        if (group) pick(group);
      },
    });
    const resized = new ResizeObserver(() => {
      const { width, height } = inside.getBoundingClientRect();
      if (width !== plot.width || height !== plot.height) plot.setSize({ width, height });
    });
    resized.observe(inside);
    return () => (resized.disconnect(), plot.destroy());
  }, [model, zone, canDrag, isDark]);
  const chosen = Math.min(bar, model.starts.length - 1);
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const next = nextBar(event.key, chosen, model.starts.length);
    if (next !== null) hover({ bar: next, left: placeOf(model, next, place.current) });
    else if (event.key === "Enter" && canDrag && chosen >= 0) zoom(spanOf(model, chosen));
    else return;
    event.preventDefault();
  };
  return html`<div class="bars">
    <div
      ref=${place}
      class="chart"
      role="slider"
      tabindex="0"
      aria-label=${canDrag ? "bars; Enter zooms into one" : "bars"}
      aria-valuemin="0"
      aria-valuemax=${Math.max(model.starts.length - 1, 0)}
      aria-valuenow=${Math.max(chosen, 0)}
      aria-valuetext=${chosen < 0 ? `${model.starts.length} bars` : barText(model, chosen, zone)}
      onKeyDown=${pressed}
      onBlur=${() => hover({ bar: -1, left: 0 })}
    ></div>
    ${chosen >= 0 && html`<${Tip} ...${{ model, zone, left }} bar=${chosen} />`}
  </div>`;
}

/**
 * @param {{model: import("./model.js").Model, zone: string, bar: number, left: number}} props
 */
function Tip({ model, zone, bar, left }) {
  const [begin, end] = spanOf(model, bar);
  const ghost = model.ghost[bar];
  const groups = model.groups
    .map((group, n) => ({ ...group, count: model.parts[n]?.[bar] ?? 0 }))
    .filter(({ count }) => count > 0);
  const onRight = left < 260;
  const style = { transform: `translateX(${onRight ? left + 14 : left - 14}px)` };
  return html`<div class=${onRight ? "tip" : "tip on-left"} style=${style}>
    <div>
      <p class="quiet">${spanText(begin, end, zone)}</p>
      <p><b>${countText(model.counts[bar] ?? 0)}</b> events</p>
      ${
        typeof ghost === "number" &&
        html`<p class="quiet">${countText(ghost)} in the period before</p>`
      }
      <ul>
        ${groups.map(
          ({ name, count, color }) =>
            html`<li key=${name}>
              <i class=${`group-${color}`}></i><span>${name}</span><b>${countText(count)}</b>
            </li>`,
        )}
      </ul>
    </div>
  </div>`;
}

/**
 * @param {number} begin
 * @param {number} end
 * @param {string} zone
 */
function spanText(begin, end, zone) {
  const [one, other] = [begin, end].map((each) => formatTime(each * 1000, zone, "second"));
  const short = (/** @type {string | undefined} */ text) => text?.replace(/:00$/, "");
  const isSameDay = one?.slice(0, 10) === other?.slice(0, 10);
  return `${short(one)} – ${short(isSameDay ? other?.slice(11) : other)}`;
}

/**
 * @param {import("./model.js").Model} model
 * @param {number} bar
 * @param {string} zone
 */
const barText = (model, bar, zone) =>
  `${spanText(...spanOf(model, bar), zone)}: ${countText(model.counts[bar] ?? 0)} events`;

/**
 * @param {string} key
 * @param {number} bar
 * @param {number} bars
 */
function nextBar(key, bar, bars) {
  const last = bars - 1;
  if (last < 0) return null;
  if (key === "ArrowLeft") return bar < 0 ? last : Math.max(bar - 1, 0);
  if (key === "ArrowRight") return Math.min(bar + 1, last);
  if (key === "Home") return 0;
  return key === "End" ? last : null;
}

/**
 * Where a bar stands, in px.
 * @param {import("./model.js").Model} model
 * @param {number} bar
 * @param {HTMLElement | null} place
 */
function placeOf(model, bar, place) {
  const over = place?.querySelector(".u-over");
  if (!place || !over) return 0;
  const [inside, whole] = [over.getBoundingClientRect(), place.getBoundingClientRect()];
  const [begin, end] = spanOf(model, bar);
  const part = ((begin + end) / 2 - model.from) / Math.max(model.to - model.from, 1);
  return inside.left - whole.left + part * inside.width;
}

/**
 * The group that is drawn in a bar at a height; undefined above the bar.
 * @param {import("./model.js").Model} model
 * @param {number} bar
 * @param {number} height
 */
function groupAt({ groups, parts }, bar, height) {
  let top = 0;
  return groups.find((_, n) => (top += parts[n]?.[bar] ?? 0) >= height);
}

/** Whether the system asks for dark colours, as it changes. */
function useDark() {
  const [query] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  return isDark;
}
