/** Event text as it is shown: what can't be seen is made visible, and what is long is cut. */

// Control characters, and those that take no room or turn the direction of what follows.
const NO_PICTURE = String.raw`\p{Cc}\p{Bidi_Control}\u00ad\u200b\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e007f}`;
const UNSEEN = new RegExp(`[${NO_PICTURE}]`, "gu");
const UNSEEN_IN_LINES = new RegExp(`(?![\\n\\t])[${NO_PICTURE}]`, "gu");
const PICTURES = 0x2400;

/**
 * Return the text for one line: each character that could not be seen is a picture of it (␛), or its
 * number.
 * @param {string} text
 */
export const visible = (text) => text.replace(UNSEEN, pictureOf);

/**
 * Return the text for many lines, in which line feeds and tabs stay.
 * @param {string} text
 */
export const visibleLines = (text) => text.replace(UNSEEN_IN_LINES, pictureOf);

/** @param {string} character */
function pictureOf(character) {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCharCode(PICTURES + code);
  if (code === 0x7f) return "\u2421";
  return `[U+${code.toString(16).toUpperCase().padStart(4, "0")}]`;
}

/**
 * Return the first characters of a text; a pair of surrogates is not cut apart.
 * @param {string} text
 * @param {number} length
 */
export function cut(text, length) {
  if (text.length <= length) return text;
  const isPair = (text.charCodeAt(length - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isPair ? length - 1 : length);
}
