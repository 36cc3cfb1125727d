/** The drawing of the bars, by uPlot. */
import uPlot from "uplot";
import { shortCount } from "../times.js";
import { barAt } from "./model.js";

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {object} Looks
 * @property {string} zone
 * @property {boolean} canDrag
 * @property {(bar: number, left: number) => void} hover a bar, -1 for none; its place in px
 * @property {(begin: number, end: number) => void} drag
 * @property {(bar: number, height: number) => void} click at which count of which bar
 */

const COUNTS = Array.from({ length: 13 }, (_, n) => [1, 2, 5].map((each) => each * 10 ** n)).flat();

/**
 * @param {HTMLElement} place
 * @param {Model} model
 * @param {Looks} looks
 * @returns {uPlot}
 */
export function drawBars(place, model, looks) {
  const color = colorsOf(place);
  const { width, height } = place.getBoundingClientRect();
  const top = Math.max(1, ...model.counts, ...model.ghost.map((each) => each ?? 0));
  const stacks = stacksOf(model);
  const end = Math.max(model.to, model.from + 1);
  /** @type {uPlot.Options} */
  const options = {
    width,
    height,
    padding: [6, 18, 0, 0],
    legend: { show: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), looks.zone),
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: looks.canDrag, y: false, setScale: false, dist: 4 },
    },
    scales: {
      x: { range: () => [model.from, end] },
      y: { range: () => [0, top * 1.05] },
    },
    axes: [timeAxis(color, looks.zone), countAxis(color)],
    series: [
      {},
      ...stacks.map(({ fill }) => barSeries(color(fill))),
      {
        stroke: color("--ghost"),
        width: model.counts.length > 80 ? 0.75 : 1.5,
        points: { show: false },
        paths: steps,
      },
    ],
    hooks: hooksOf(model, looks),
  };
  const ghost = model.ghost.length > 0 ? model.ghost : model.counts.map(() => null);
  return new uPlot(options, [model.starts, ...stacks.map(({ tops }) => tops), ghost], place);
}

/**
 * Colours come from the style sheet, so that they follow light and dark.
 * @param {HTMLElement} place
 */
function colorsOf(place) {
  const style = getComputedStyle(place);
  return (/** @type {string} */ name) => style.getPropertyValue(name).trim();
}

/**
 * The heights up to each group, the highest first: the lower ones are drawn over them.
 * @param {Model} model
 */
function stacksOf({ counts, groups, parts }) {
  if (groups.length === 0) return [{ tops: counts, fill: "--bar" }];
  const tops = counts.map(() => 0);
  const stacks = groups.map(({ color }, n) => {
    parts[n]?.forEach((part, bar) => (tops[bar] = (tops[bar] ?? 0) + part));
    return { tops: [...tops], fill: `--group-${color}` };
  });
  return stacks.reverse();
}

/**
 * @param {string} fill
 * @returns {uPlot.Series}
 */
const barSeries = (fill) => ({ fill, width: 0, points: { show: false }, paths: bars });
const bars = uPlot.paths.bars?.({ align: 1, size: [1, Infinity], gap: 1 });
const steps = uPlot.paths.stepped?.({ align: 1 });

/**
 * @param {(name: string) => string} color
 * @returns {uPlot.Axis}
 */
function countAxis(color) {
  return {
    ...axis(color),
    size: 44,
    space: 26,
    incrs: COUNTS,
    values: (_, splits) => splits.map((each) => (each === 0 ? "" : shortCount(each))),
    grid: { stroke: color("--line"), width: 1 },
  };
}

/**
 * @param {(name: string) => string} color
 * @param {string} zone
 * @returns {uPlot.Axis}
 */
function timeAxis(color, zone) {
  const day = new Intl.DateTimeFormat("en", { timeZone: zone, day: "numeric", month: "short" });
  const time = new Intl.DateTimeFormat("en", {
    timeZone: zone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  return {
    ...axis(color),
    size: 24,
    space: 72,
    grid: { show: false },
    values: (_, splits) => {
      const days = splits.map((at) => day.format(at * 1000));
      const times = splits.map((at) => time.format(at * 1000));
      return days.map((text, n) => (n > 0 && text === days[n - 1] ? times[n] : text) ?? "");
    },
  };
}

/**
 * @param {(name: string) => string} color
 * @returns {uPlot.Axis}
 */
const axis = (color) => ({
  stroke: color("--soft"),
  font: `12px ${color("--font")}`,
  ticks: { show: false },
  gap: 6,
});

/**
 * @param {Model} model
 * @param {Looks} looks
 * @returns {uPlot.Hooks.Arrays}
 */
function hooksOf(model, looks) {
  let dragged = false;
  /** @param {uPlot} plot */
  const barUnder = (plot) => {
    const { left = -1 } = plot.cursor;
    return left < 0 ? -1 : barAt(model, plot.posToVal(left, "x"));
  };
  /** @param {uPlot} plot */
  const clicked = (plot) => {
    if (!dragged) looks.click(barUnder(plot), plot.posToVal(plot.cursor.top ?? 0, "y"));
    dragged = false;
  };
  return {
    ready: [(plot) => plot.over.addEventListener("click", () => clicked(plot))],
    setCursor: [
      // Without an event the plot is new, and keys may have chosen a bar.
      (plot) => plot.cursor.event && looks.hover(barUnder(plot), plot.cursor.left ?? 0),
    ],
    setSelect: [
      (plot) => {
        const { left, width } = plot.select;
        if (width === 0) return;
        dragged = true;
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        looks.drag(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
      },
    ],
  };
}
