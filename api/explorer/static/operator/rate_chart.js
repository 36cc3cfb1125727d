import { html } from "../html.js";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { shortCount } from "../times.js";
import { barsOf, summaryOf } from "./rates_model.js";

/**
 * @typedef {{minutes: import("./rates_model.js").Minute[],
 *   field: import("./rates_model.js").Field, color: string, zone: string,
 *   point: (minute: number | null) => void}} Props
 */

/**
 * The rateBars of one figure, drawn by uPlot, with what they say in words.
 * @param {Props} props
 */
export function RateChart(props) {
  const { minutes, field } = props;
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    let plot = draw(box, props);
    const again = () => {
      plot.destroy();
      plot = draw(box, props);
    };
    const sizes = new ResizeObserver(() => box.clientWidth !== plot.width && again());
    sizes.observe(box);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", again);
    return () => {
      sizes.disconnect();
      dark.removeEventListener("change", again);
      plot.destroy();
    };
  }, [minutes, props.zone]);
  return html`<figure>
    <figcaption><b>${field}</b> <span class="soft">${summaryOf(minutes, field)}</span></figcaption>
    <div class="chart" ref=${place} aria-hidden="true"></div>
  </figure>`;
}

/**
 * @param {HTMLElement} place
 * @param {Props} props
 */
function draw(place, { minutes, field, color, zone, point }) {
  const style = getComputedStyle(place);
  const colorOf = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const { starts, counts, unknown, top } = barsOf(minutes, field);
  const axis = {
    stroke: colorOf("--soft"),
    font: `12px ${colorOf("--font")}`,
    ticks: { show: false },
    gap: 4,
  };
  /** @type {uPlot.Options} */
  const options = {
    width: place.clientWidth,
    height: place.clientHeight,
    padding: [6, 0, 0, 0],
    legend: { show: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone),
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: false, y: false },
      sync: { key: "rates" },
    },
    scales: {
      x: { range: () => [starts[0] ?? 0, (starts.at(-1) ?? 0) + 60] },
      y: { range: () => [0, top * 1.05] },
    },
    axes: [
      { ...axis, size: 22, space: 60, grid: { show: false }, values: timesOf(zone) },
      {
        ...axis,
        size: 44,
        space: 24,
        values: (_, splits) => splits.map((each) => (each % 1 === 0 ? shortCount(each) : "")),
        grid: { stroke: colorOf("--line"), width: 1 },
      },
    ],
    series: [{}, series(colorOf("--line")), series(colorOf(color))],
    hooks: {
      setCursor: [
        (plot) => {
          const { left = -1 } = plot.cursor;
          point(left < 0 ? null : minuteAt(starts, plot.posToVal(left, "x")));
        },
      ],
    },
  };
  return new uPlot(options, [starts, unknown, counts], place);
}

/**
 * @param {string} fill
 * @returns {uPlot.Series}
 */
const series = (fill) => ({ fill, width: 0, points: { show: false }, paths: rateBars });
const rateBars = uPlot.paths.bars?.({ align: 1, size: [1, Infinity], gap: 1 });

/**
 * @param {number[]} starts
 * @param {number} at
 */
const minuteAt = (starts, at) => starts.findLastIndex((start) => start <= at);

/** @param {string} zone */
function timesOf(zone) {
  const format = new Intl.DateTimeFormat("en", {
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  return (/** @type {uPlot} */ _, /** @type {number[]} */ splits) =>
    splits.map((at) => format.format(at * 1000));
}
