/**
 * The view is the URL: what is shown, and nothing else, stands in the query string. Defaults are
 * left out, so that a short link means the same tomorrow.
 */
import { useEffect, useState } from "preact/hooks";

/**
 * @typedef {object} View
 * @property {string} page `history` or `operator`
 * @property {string} q the question, in the query language
 * @property {string} from where the time begins: `-24h`, an instant (RFC 3339), or `all`
 * @property {string} to where it ends: "" (now), relative or an instant
 * @property {string} by `created_at` or `occurred_at`: which time `from` and `to` mean
 * @property {string} zone an IANA name; "" is the zone of the viewer
 * @property {string} group what the bars are grouped by: "", `component` or `environment`
 * @property {string} interval the length of a bar, `auto` if the service chooses it
 * @property {string} order `desc` (newest first) or `asc`
 * @property {string[]} columns `time`, `component`, ..., or `data.<path>`
 * @property {Record<string, number>} widths of columns that were resized, in px
 * @property {string[]} facets the fields that are counted
 * @property {string} event the id of the selected event
 * @property {string} panel what is open beside or above: `around`, `person`, `export`, `views`,
 *   `facets` (on a phone), or ""
 * @property {boolean} live whether new events are followed
 * @property {string} find what is looked for in the rows
 */

/** @type {Readonly<View>} */
export const DEFAULTS = Object.freeze({
  page: "history",
  q: "",
  from: "-24h",
  to: "",
  by: "created_at",
  zone: "",
  group: "",
  interval: "auto",
  order: "desc",
  columns: ["time", "component", "environment", "message", "email"],
  widths: {},
  facets: ["component", "environment"],
  event: "",
  panel: "",
  live: false,
  find: "",
});

const NAMES = /** @type {(keyof View)[]} */ (Object.keys(DEFAULTS));
/** @type {Partial<Record<keyof View, string[]>>} */
const CHOICES = {
  page: ["history", "operator"],
  by: ["created_at", "occurred_at"],
  interval: ["auto", "minute", "hour", "day", "week", "month"],
  order: ["desc", "asc"],
};

/** How many a link may name of each: the service counts no more fields at once. @type {Partial<Record<keyof View, number>>} */
const MOST = { columns: 100, facets: 10 };
/** Any other name below `/events/` is no event: `export` would be the whole history. */
const EVENT_ID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/**
 * Return the view that a query string means. What it doesn't know stays as by default.
 * @param {string} search
 * @returns {View}
 */
export function viewOf(search) {
  const given = new URLSearchParams(search);
  const view = /** @type {Record<string, unknown>} */ ({ ...DEFAULTS });
  for (const name of NAMES) {
    const values = given.getAll(name);
    if (values.length > 0) view[name] = read(name, values) ?? DEFAULTS[name];
  }
  return /** @type {View} */ (/** @type {unknown} */ (view));
}

/**
 * Return the query string of a view: "" or one that begins with `?`.
 * @param {View} view
 */
export function searchOf(view) {
  const written = new URLSearchParams();
  for (const name of NAMES) {
    const texts = textsIn(view[name]);
    if (texts.join("\n") === textsIn(DEFAULTS[name]).join("\n")) continue;
    for (const text of texts.length > 0 ? texts : [""]) written.append(name, text);
  }
  const search = written.toString();
  return search && `?${search}`;
}

/**
 * @param {keyof View} name
 * @param {string[]} values
 */
function read(name, values) {
  const kind = DEFAULTS[name];
  if (Array.isArray(kind)) return [...new Set(values.filter(Boolean))].slice(0, MOST[name]);
  if (typeof kind === "boolean") return values[0] === "true";
  if (typeof kind === "object") return widthsOf(values);
  if (name === "event" && !EVENT_ID.test(values[0] ?? "")) return undefined;
  const choices = CHOICES[name];
  return choices && !choices.includes(values[0] ?? "") ? undefined : values[0];
}

/** @param {string[]} values */
function widthsOf(values) {
  /** @type {Record<string, number>} */
  const widths = {};
  for (const value of values) {
    const [, name, width] = /^(.+):(\d{2,4})$/.exec(value) ?? [];
    if (name) widths[name] = Number(width);
  }
  return widths;
}

/**
 * @param {View[keyof View]} value
 * @returns {string[]}
 */
function textsIn(value) {
  if (Array.isArray(value)) return value;
  if (typeof value !== "object") return [String(value)];
  return Object.entries(value).map(([name, width]) => `${name}:${Math.round(width)}`);
}

let current = viewOf(globalThis.location?.search ?? "");
/** @type {Set<(view: View) => void>} */
const watchers = new Set();

globalThis.addEventListener?.("popstate", () => show(viewOf(location.search)));

/** @param {View} view */
function show(view) {
  current = view;
  for (const watcher of [...watchers]) watcher(view);
}

/** The view as it is now, for code outside of components. */
export const currentView = () => current;

/**
 * Change parts of the view, as a new step of the browser's history; with `replace` in this step.
 * @param {Partial<View>} changes
 * @param {{replace?: boolean}} [how]
 */
export function changeView(changes, { replace = false } = {}) {
  const view = { ...current, ...changes };
  const search = searchOf(view);
  if (search === searchOf(current)) return;
  history[replace ? "replaceState" : "pushState"](null, "", search || location.pathname);
  show(view);
}

/**
 * The view, in a component: it renders again when the view changes.
 * @returns {View}
 */
export function useView() {
  const [view, setView] = useState(current);
  useEffect(() => {
    watchers.add(setView);
    setView(current);
    return () => void watchers.delete(setView);
  }, []);
  return view;
}

/**
 * The link to a view, for an `href`: so that it also opens in a new tab.
 * @param {Partial<View>} changes
 */
export const linkTo = (changes) => searchOf({ ...current, ...changes }) || "?";
