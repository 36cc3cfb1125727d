/** What went wrong in one panel, and what to do. The other panels go on. */
import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { adviceOn, faultsOf, isMarked, waitOf } from "./advice.js";

/** @typedef {import("../service.js").Trouble} Trouble */

/**
 * @param {{trouble: Trouble, again?: () => void}} props `again` asks once more
 */
export function PanelTrouble({ trouble, again }) {
  const { title, todo, retries } = adviceOn(trouble);
  const seconds = useRetry(trouble, again);
  if (isMarked(trouble)) return html`<p class="quiet trouble-marked">The question has a fault.</p>`;
  const isFault = trouble.status >= 500;
  return html`<div class="trouble" role="alert">
    <strong>${title}</strong>
    ${faultsOf(trouble).map((fault) => html`<p key=${fault}>${withCode(fault)}</p>`)}
    <p class="quiet">
      ${withCode(todo)}
      ${isFault && trouble.requestId && html`Request id: <code>${trouble.requestId}</code>`}
    </p>
    ${
      again &&
      (retries || isFault) &&
      html`<p>
        <button type="button" onClick=${again}>Ask again</button>
        ${seconds !== null && html`<span class="quiet" aria-hidden="true"> by itself in ${seconds} s</span>`}
      </p>`
    }
  </div>`;
}

/** Names and commands, which the service writes between backticks. @param {string} text */
const withCode = (text) =>
  text.split(/`([^`]+)`/).map((part, n) => (n % 2 ? html`<code>${part}</code>` : part));

/**
 * Ask again when the service said, or at growing distances, as long as the trouble stays.
 * @param {Trouble} trouble
 * @param {(() => void) | undefined} again
 * @returns {number | null} the seconds until then
 */
function useRetry(trouble, again) {
  const attempts = useRef(0);
  const latest = useRef(again);
  latest.current = again;
  const [left, setLeft] = useState(/** @type {number | null} */ (null));
  useEffect(() => {
    const seconds = again ? waitOf(trouble, attempts.current) : null;
    setLeft(seconds);
    if (seconds === null) return undefined;
    const due = Date.now() + seconds * 1000;
    const timer = setInterval(() => {
      const rest = Math.ceil((due - Date.now()) / 1000);
      setLeft(Math.min(Math.max(0, rest), seconds));
      if (rest > 0 || document.hidden) return;
      clearInterval(timer);
      attempts.current += 1;
      latest.current?.();
    }, 250);
    return () => clearInterval(timer);
  }, [trouble]);
  return left;
}
