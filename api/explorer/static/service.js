/** All requests to the service: answers, troubles, and what their headers tell of the lag. */
import { useEffect, useState } from "preact/hooks";
import { noteLag, wantSignIn } from "./signals.js";

/**
 * @typedef {string | number | boolean | null | undefined} Value
 * @typedef {Record<string, Value | string[]>} Params What is "", null or undefined is not sent.
 * @typedef {{detail: string, parameter?: string, pointer?: string, header?: string,
 *   character?: number, excerpt?: string}} Fault
 */

/** An answer that is none: of the service (status 400 and more), or that none came (status 0). */
export class Trouble extends Error {
  /**
   * @param {number} status
   * @param {{title?: string, detail?: string, errors?: Fault[], request_id?: string}} problem
   * @param {number | null} [retryAfter]
   */
  constructor(status, problem, retryAfter = null) {
    super(problem.detail || problem.title || `The service answered ${status}.`);
    this.status = status;
    this.title = problem.title ?? "";
    this.detail = this.message;
    this.errors = problem.errors ?? [];
    /** Seconds, null if the answer names none. */
    this.retryAfter = retryAfter;
    this.requestId = problem.request_id ?? "";
  }
}

/** The folder of the API: these files stand in `explorer/<version>/` of it. */
const SERVICE = new URL("../../", import.meta.url).href;

/**
 * Return the whole address of a path such as `/events`.
 * @param {string} path
 * @param {Params} [params]
 */
export function addressOf(path, params = {}) {
  const search = queryOf(params).toString();
  return SERVICE + path.replace(/^\//, "") + (search && `?${search}`);
}

/** @param {Params} params */
export function queryOf(params) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== "" && one !== null && one !== undefined) query.append(name, String(one));
    }
  }
  return query;
}

/**
 * Send a request. Return its answer once the head is there; the body may still come.
 * @param {string} path
 * @param {Params} [params]
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {Trouble}
 */
export async function ask(path, params, init = {}) {
  const address = addressOf(path, params);
  const sent = { credentials: /** @type {const} */ ("same-origin"), ...init };
  const answer = await fetch(address, sent).catch((error) => {
    if (init.signal?.aborted) throw error;
    throw new Trouble(0, { title: "No answer", detail: "The service can't be reached." });
  });
  noteLag(answer.headers.get("activity-lag"));
  if (answer.ok) return answer;
  throw await troubleOf(answer);
}

/** @param {Response} answer */
async function troubleOf(answer) {
  const problem = await answer.json().catch(() => ({ title: answer.statusText }));
  const after = answer.headers.get("retry-after");
  if (answer.status === 401) wantSignIn();
  return new Trouble(answer.status, problem, after === null ? null : Number(after) || null);
}

/**
 * @template [T=any]
 * @param {string} path
 * @param {Params} [params]
 * @param {{signal?: AbortSignal}} [how]
 * @returns {Promise<{body: T, headers: Headers, ms: number}>} `ms` until the last byte
 * @throws {Trouble}
 */
export async function getJson(path, params, { signal } = {}) {
  const began = performance.now();
  const answer = await ask(path, params, signal ? { signal } : {});
  const body = /** @type {T} */ (await answer.json());
  return { body, headers: answer.headers, ms: performance.now() - began };
}

/**
 * Send a changing call. The header tells the service that the page itself sends it: no other
 * site can make a browser send it.
 * @template [T=any]
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {{signal?: AbortSignal}} [how]
 * @returns {Promise<{body: T | null, headers: Headers}>} `body` is null after a 204
 * @throws {Trouble}
 */
export async function sendJson(method, path, body, { signal } = {}) {
  const headers = { "Content-Type": "application/json", "Activity-Explorer": "1" };
  const answer = await ask(path, undefined, {
    method,
    headers,
    ...(signal && { signal }),
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { body: text ? /** @type {T} */ (JSON.parse(text)) : null, headers: answer.headers };
}

/**
 * @template T
 * @typedef {{answer: T | null, trouble: Trouble | null, loading: boolean, ms: number | null,
 *   again: () => void}} Answer
 */

/**
 * Ask in a component. What is out of date is aborted; the last answer stays while the next one
 * is on its way. With a path or params of null nothing is asked.
 * @template [T=any]
 * @param {string | null} path
 * @param {Params | null} [params]
 * @returns {Answer<T>}
 */
export function useAnswer(path, params = {}) {
  const [round, setRound] = useState(0);
  const [state, setState] = useState(
    /** @type {{key: string, answer: T | null, trouble: Trouble | null, ms: number | null}} */ ({
      key: "",
      answer: null,
      trouble: null,
      ms: null,
    }),
  );
  const wanted = path !== null && params !== null;
  const key = wanted ? `${round} ${path}?${queryOf(params)}` : "";
  useEffect(() => {
    if (!wanted) return;
    const control = new AbortController();
    getJson(path, params, { signal: control.signal }).then(
      ({ body, ms }) => setState({ key, answer: body, trouble: null, ms }),
      (error) => {
        if (control.signal.aborted) return;
        setState((last) => ({ ...last, key, trouble: asTrouble(error) }));
      },
    );
    return () => control.abort();
  }, [key]);
  const again = () => setRound((last) => last + 1);
  return { ...state, loading: wanted && state.key !== key, again };
}

/**
 * @param {unknown} error
 * @returns {Trouble}
 */
export function asTrouble(error) {
  return error instanceof Trouble ? error : new Trouble(0, { detail: String(error) });
}
