/** What a trouble means for who looks at a panel, and what to do. Pure. */

/**
 * @typedef {import("../service.js").Trouble} Trouble
 * @typedef {{title: string, todo: string, retries: boolean}} Advice
 * `retries`: the panel asks again by itself.
 */

/** @type {Record<number, Advice>} */
const ADVICE = {
  0: {
    title: "The service can't be reached",
    todo: "It may be restarting, or your connection is down.",
    retries: true,
  },
  401: {
    title: "Not signed in",
    todo: "Sign in again: the key ended, or was revoked.",
    retries: false,
  },
  403: {
    title: "Your key doesn't allow this",
    todo: "Ask an operator for a key with the scope that is named.",
    retries: false,
  },
  404: {
    title: "Not there",
    todo: "It may have been removed by retention, or the link is wrong.",
    retries: false,
  },
  408: {
    title: "It took too long",
    todo: "A shorter time or one more filter makes it faster.",
    retries: true,
  },
  410: {
    title: "The history was restored from a backup",
    todo: "Reload the page to begin anew.",
    retries: false,
  },
  429: { title: "Asked too often", todo: "It goes on by itself.", retries: true },
  503: {
    title: "The service can't answer now",
    todo: "If it stays so, an operator learns more from `activity doctor`.",
    retries: true,
  },
};

const INVALID = {
  title: "This can't be asked",
  todo: "Change the question or the time.",
  retries: false,
};
const INTERNAL = {
  title: "The service failed",
  todo: "Give the operator the request id: the log has the reason.",
  retries: false,
};
const GATEWAY = [502, 504];
const FIRST_WAIT = 2;
const MAX_WAIT = 30;

/** @param {Trouble} trouble @returns {Advice} */
export function adviceOn({ status }) {
  const known = ADVICE[GATEWAY.includes(status) ? 503 : status];
  if (known) return known;
  return status >= 500 ? INTERNAL : INVALID;
}

/**
 * After how many seconds a panel asks again by itself; null if it doesn't.
 * @param {Trouble} trouble
 * @param {number} attempts how often it did so already
 */
export function waitOf(trouble, attempts) {
  if (!adviceOn(trouble).retries) return null;
  const growing = Math.min(FIRST_WAIT * 2 ** attempts, MAX_WAIT);
  return Math.max(trouble.retryAfter ?? 0, growing);
}

/** The faults of a question, without repeating the whole. @param {Trouble} trouble @returns {string[]} */
export function faultsOf({ detail, errors }) {
  const faults = [...new Set(errors.map((fault) => fault.detail))];
  return faults.length ? faults : [detail];
}

/**
 * Whether the trouble is a fault in the question: the question's field says what and where.
 * @param {Trouble} trouble
 */
export const isMarked = ({ status, errors }) =>
  status === 422 && errors.length > 0 && errors.every((fault) => fault.parameter === "q");
