/** A service whose streams break off, stay silent or are refused: in place of the real one. */
import { Trouble } from "../../../api/explorer/static/service.js";

export const AT = `event: at\ndata: {"lag_seconds":0.0,"behind":0,"trouble":null}\n\n`;

/** @param {number} number */
export function event(number) {
  const seconds = String(number % 60).padStart(2, "0");
  const minutes = String(Math.floor(number / 60)).padStart(2, "0");
  const created_at = `2026-11-28T12:${minutes}:${seconds}.000Z`;
  const id = `id-${String(number).padStart(6, "0")}`;
  return { id, created_at, component: "auth", environment: "test", message: `é ${number}` };
}

/** @param {number} number */
export const frame = (number) => `id: after-${number}\ndata: ${JSON.stringify(event(number))}\n\n`;

/**
 * A service that answers each connection with the next of these: a text, cut into single bytes, that
 * then breaks off or ends, or a trouble.
 * @param {({text: string, breaks?: boolean, stays?: boolean} | Trouble)[]} answers
 */
export function service(answers) {
  /** @type {{after: string | null, skip: boolean}[]} */
  const asked = [];
  const open = async (/** @type {any} */ place, /** @type {AbortSignal} */ signal) => {
    asked.push(place);
    const answer = answers.shift();
    if (!answer) return new ReadableStream({ start: (stream) => endWith(signal, stream) });
    if (answer instanceof Trouble) throw answer;
    return streamOf(answer, signal);
  };
  return { asked, open };
}

/**
 * @param {{text: string, breaks?: boolean, stays?: boolean}} answer
 * @param {AbortSignal} signal
 */
function streamOf({ text, breaks = false, stays = false }, signal) {
  const bytes = [...new TextEncoder().encode(text)];
  return new ReadableStream({
    pull(stream) {
      const byte = bytes.shift();
      if (byte !== undefined) stream.enqueue(new Uint8Array([byte]));
      else if (breaks) stream.error(new TypeError("network error"));
      else if (stays) return new Promise(() => endWith(signal, stream));
      else stream.close();
      return undefined;
    },
  });
}

/** @param {AbortSignal} signal @param {ReadableStreamDefaultController} stream */
function endWith(signal, stream) {
  const end = () => stream.error(signal.reason);
  if (signal.aborted) end();
  else signal.addEventListener("abort", end);
}
