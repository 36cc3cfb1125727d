/** From the form of a new key to what is sent, and from a refusal to the field. Pure. */

const DAY_MS = 86_400_000;

/** @type {[string, string][]} */
export const SCOPES = [
  ["write", "post events"],
  ["read", "read the history"],
  ["observe", "see status and metrics"],
  ["admin", "everything on this page, and imports"],
];

/** Days until it ends, "" for never. @type {[string, string][]} */
export const LIVES = [
  ["90", "in 90 days"],
  ["365", "in a year"],
  ["7", "in a week"],
  ["", "never"],
];

/**
 * @typedef {{name: string, scopes: string[], components: string, environments: string,
 *   events_per_second: string, events_per_day: string, life: string}} Form
 */

/** @type {Readonly<Form>} */
export const EMPTY = Object.freeze({
  name: "",
  scopes: [],
  components: "",
  environments: "",
  events_per_second: "",
  events_per_day: "",
  life: "90",
});

/** @typedef {"name" | "components" | "environments" | "events_per_second" | "events_per_day"} TextField */

/**
 * Return the body of the request. A number that is none is sent as its text, for the service to refuse.
 * @param {Readonly<Form>} form
 * @param {number} now in ms
 * @returns {Record<string, unknown>}
 */
export function bodyOf(form, now) {
  const expires = form.life && new Date(now + Number(form.life) * DAY_MS).toISOString();
  return {
    name: form.name.trim(),
    scopes: form.scopes,
    components: wordsOf(form.components),
    environments: wordsOf(form.environments),
    ...numberOf("events_per_second", form.events_per_second),
    ...numberOf("events_per_day", form.events_per_day),
    ...(expires && { expires_at: expires }),
  };
}

/** @param {string} text names with spaces or commas between */
const wordsOf = (text) => text.split(/[\s,]+/).filter(Boolean);

/**
 * @param {string} name
 * @param {string} text
 */
function numberOf(name, text) {
  const digits = text.replace(/[\s,_]/g, "");
  if (!digits) return {};
  return { [name]: /^\d{1,15}$/.test(digits) ? Number(digits) : text };
}

/**
 * Return what a refusal says of a field, "" for nothing.
 * @param {import("../service.js").Trouble | null} trouble
 * @param {string} name
 */
export function faultOf(trouble, name) {
  const faults = trouble?.errors.filter(({ pointer }) => pointer?.split("/")[1] === name) ?? [];
  return faults.map(({ detail }) => detail).join("; ");
}
