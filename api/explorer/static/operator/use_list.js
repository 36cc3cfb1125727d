/** A list of the service that comes page by page. */
import { useEffect, useState } from "preact/hooks";
import { asTrouble, getJson, queryOf } from "../service.js";

/**
 * @typedef {import("../service.js").Trouble} Trouble
 * @typedef {import("../service.js").Params} Params
 * @typedef {{items: string, next: string, after: string}} Names of the answer's fields, and of the
 *   parameter that goes on
 */

/**
 * @template T
 * @typedef {{items: T[] | null, answer: any, next: string | null, trouble: Trouble | null,
 *   loading: boolean, more: () => void, again: () => void}} List
 */

/**
 * @template [T=any]
 * @param {string} path
 * @param {Params} params
 * @param {Names} names
 * @returns {List<T>} `items` is null before the first page; `answer` is the last page
 */
export function useList(path, params, names) {
  const [state, setState] = useState({
    items: /** @type {T[] | null} */ (null),
    answer: /** @type {any} */ (null),
    next: /** @type {string | null} */ (null),
    trouble: /** @type {Trouble | null} */ (null),
    loading: true,
  });
  // What is asked: the pages after `after`, and which round of asking this is.
  const [wanted, setWanted] = useState({ round: 0, after: /** @type {string | null} */ (null) });
  const query = queryOf(params).toString();
  useEffect(() => setWanted(({ round }) => ({ round: round + 1, after: null })), [query]);
  useEffect(() => {
    const control = new AbortController();
    setState((last) => ({ ...last, loading: true }));
    getJson(path, { ...params, [names.after]: wanted.after }, { signal: control.signal }).then(
      ({ body }) =>
        setState((last) => ({
          items: [...(wanted.after === null ? [] : (last.items ?? [])), ...body[names.items]],
          answer: body,
          next: body[names.next],
          trouble: null,
          loading: false,
        })),
      (error) => {
        if (control.signal.aborted) return;
        setState((last) => ({ ...last, trouble: asTrouble(error), loading: false }));
      },
    );
    return () => control.abort();
  }, [wanted]);
  const more = () => setWanted(({ round }) => ({ round: round + 1, after: state.next }));
  const again = () => setWanted(({ round }) => ({ round: round + 1, after: null }));
  return { ...state, more, again };
}
