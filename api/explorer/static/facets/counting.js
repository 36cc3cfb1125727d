/** Counts the values of fields: all in one request, each alone where that fails. */
import { asTrouble, getJson, queryOf } from "../service.js";

/**
 * @typedef {import("./counts.js").Answer} Answer
 * @typedef {import("../service.js").Params} Params
 * @typedef {import("../service.js").Trouble} Trouble
 * @typedef {{answer: Answer | null, trouble: Trouble | null, isOutdated: boolean,
 *   isCounting: boolean}} Counted `isOutdated`: of the question before; `isCounting`: more of the
 *   window is being counted
 */

/** As many as the service names. */
export const MOST_VALUES = 100;
const MOST_ROUNDS = 30; // of one question, which each count for two seconds

/** @type {Readonly<Counted>} */
export const NOT_COUNTED = Object.freeze({
  answer: null,
  trouble: null,
  isOutdated: true,
  isCounting: false,
});

/** @typedef {(params: Params, signal: AbortSignal) => Promise<Answer>} Ask */

/** @type {Ask} */
const askService = async (params, signal) =>
  (await getJson("/events/facets", params, { signal })).body;

/**
 * Return whether some of the fields may go without the others: one that is no field, or that takes
 * too long to count.
 * @param {unknown} error
 */
function isOfOne(error) {
  const { status, errors } = asTrouble(error);
  return status === 503 || errors.some(({ parameter }) => parameter === "field");
}

export class Counting {
  /**
   * @param {(counted: Readonly<Record<string, Counted>>) => void} onChange
   * @param {Ask} [ask]
   */
  constructor(onChange, ask = askService) {
    this.onChange = onChange;
    this.ask = ask;
    /** @type {Record<string, Counted>} */
    this.counted = {};
    this.key = "";
    /** @type {Params} */
    this.params = {};
    this.control = new AbortController();
    /** @type {Set<string>} those asked for with these params */
    this.asked = new Set();
  }

  /**
   * Count these fields. What is counted already is not asked for again.
   * @param {Params} params
   * @param {readonly string[]} fields
   */
  count(params, fields) {
    const key = queryOf(params).toString();
    if (key !== this.key) this.#begin(key, params);
    const missing = fields.filter((field) => !this.asked.has(field));
    if (missing.length > 0) void this.#load(missing, 0);
  }

  /** Ask once more for fields. @param {readonly string[]} fields */
  again(fields) {
    void this.#load(fields, 0);
  }

  stop() {
    this.control.abort();
    this.key = "";
  }

  /**
   * @param {string} key
   * @param {Params} params
   */
  #begin(key, params) {
    this.control.abort();
    this.control = new AbortController();
    this.key = key;
    this.params = params;
    this.asked = new Set();
    const outdated = { isOutdated: true, isCounting: false };
    this.#set(Object.keys(this.counted), outdated);
  }

  /**
   * @param {readonly string[]} fields
   * @param {number} round
   */
  async #load(fields, round) {
    const { signal } = this.control;
    for (const field of fields) this.asked.add(field);
    this.#set(fields, { trouble: null });
    try {
      const params = { ...this.params, field: [...fields], values: MOST_VALUES };
      const answer = await this.ask(params, signal);
      if (!signal.aborted) this.#take(fields, answer, round);
    } catch (error) {
      if (signal.aborted) return;
      if (fields.length > 1 && isOfOne(error)) {
        for (const field of fields) void this.#load([field], round);
      } else this.#set(fields, { ...NOT_COUNTED, isOutdated: false, trouble: asTrouble(error) });
    }
  }

  /**
   * What was not counted in time is asked for again: the service goes on from where it was.
   * @param {readonly string[]} fields
   * @param {Answer} answer
   * @param {number} round
   */
  #take(fields, answer, round) {
    const before = this.counted[fields[0] ?? ""];
    const isFurther = round === 0 || before?.answer?.covered?.from !== answer.covered?.from;
    const isCounting = !answer.complete && isFurther && round < MOST_ROUNDS;
    this.#set(fields, { answer, trouble: null, isOutdated: false, isCounting });
    if (isCounting) void this.#load(fields, round + 1);
  }

  /**
   * @param {readonly string[]} fields
   * @param {Partial<Counted>} changes
   */
  #set(fields, changes) {
    const changed = fields.map((field) => [
      field,
      { ...(this.counted[field] ?? NOT_COUNTED), ...changes },
    ]);
    this.counted = { ...this.counted, ...Object.fromEntries(changed) };
    this.onChange(this.counted);
  }
}
