/** Where an export is written: a file, where the browser lets a page write one, else its memory. */

/** How much a browser without files may hold. */
export const MAX_HELD = 256 * 1024 * 1024;

/**
 * @typedef {{write: (lines: Uint8Array<ArrayBuffer>) => Promise<void>, close: () => Promise<void>,
 *   abort: () => Promise<void>}} Sink
 * `close` leaves the whole file; without it there is none.
 */

/** More than a page may hold. */
export class TooLarge extends Error {}

/** Whether the browser lets a page write a file: then there is no limit. */
export const writesFiles = () => "showSaveFilePicker" in globalThis;

/**
 * Let the reader choose a file. Rejects with an AbortError if none is chosen.
 * @param {string} name
 * @returns {Promise<Sink>}
 */
export async function fileSink(name) {
  const pick = /** @type {any} */ (globalThis).showSaveFilePicker;
  const file = await pick({ suggestedName: name });
  // The browser writes beside the file, and replaces it when it is closed.
  const stream = await file.createWritable();
  return {
    write: (lines) => stream.write(lines),
    close: () => stream.close(),
    abort: () => stream.abort(),
  };
}

/**
 * Hold everything, and give it to the reader as a downloadBlob at the end.
 * @param {string} name
 * @param {string} type
 * @returns {Sink}
 */
export function heldSink(name, type) {
  /** @type {Blob[]} */
  let parts = [];
  let size = 0;
  return {
    async write(lines) {
      size += lines.length;
      if (size > MAX_HELD) throw new TooLarge();
      parts.push(new Blob([lines]));
    },
    async close() {
      downloadBlob(new Blob(parts, { type }), name);
      parts = [];
    },
    async abort() {
      parts = [];
    },
  };
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function downloadBlob(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads the blob after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
