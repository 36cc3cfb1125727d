import { joined, termsOf } from "./terms.js";

/**
 * Return the question with one more term, as it is written: `data.error:*`.
 * @param {string} q
 * @param {string} text
 */
export const withText = (q, text) => joined(termsOf(q), text);
