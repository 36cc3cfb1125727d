/** Read server-sent events (WHATWG HTML, 9.2.6) from text that comes in parts. Pure. */

/**
 * @typedef {{id: string | null, event: string, data: string}} Frame
 * `id`: the token behind the event; null if it has none. `event`: "message" if it has no name.
 */

/**
 * Make a reader of one stream. It gives the frames that a part of the text completes: what is cut
 * off by the end of the stream is never given.
 * @returns {(part: string) => Frame[]}
 */
export function frameReader() {
  let rest = "";
  return (part) => {
    const blocks = (rest + part).split("\n\n");
    rest = blocks.pop() ?? "";
    return blocks.map(frameOf).filter((frame) => frame.data !== "");
  };
}

/**
 * @param {string} block
 * @returns {Frame}
 */
function frameOf(block) {
  /** @type {Frame} */
  const frame = { id: null, event: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
    if (name === "id") frame.id = value;
    else if (name === "event") frame.event = value;
    else if (name === "data") frame.data += (frame.data && "\n") + value;
  }
  return frame;
}
