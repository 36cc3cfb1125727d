import { html } from "../html.js";
import { visible } from "../texts.js";
import { cellText } from "./columns.js";
import { fromHit, piecesOf } from "./find.js";

const SURELY_SEEN = 30; // characters

/**
 * Text of an event in one line, with what is looked for marked. Where it is only found further
 * behind, the text begins there.
 * @param {{text: string, pattern?: RegExp | null}} props
 */
export function Marked({ text, pattern = null }) {
  const shown = visible(cellText(pattern ? fromHit(text, pattern, SURELY_SEEN) : text));
  if (!pattern) return shown;
  return piecesOf(shown, pattern).map((piece) =>
    piece.isHit ? html`<mark>${piece.text}</mark>` : piece.text,
  );
}
