/** Templates: `html` makes Preact nodes from text, so event text can only become text. */
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
