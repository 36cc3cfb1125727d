/** How figures are written: what is not known is called so, and never 0. Pure. */
import { countText, durationText } from "../times.js";

export const UNKNOWN = "unknown";

/**
 * @param {number | null | undefined} value
 * @param {(value: number) => string} [write]
 */
export const known = (value, write = countText) =>
  value === null || value === undefined ? UNKNOWN : write(value);

/**
 * Write a number of bytes: `512 bytes`, `1.5 KB`, `20 MB`.
 * @param {number} bytes
 */
export function bytesText(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ["KB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  const value = bytes / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power - 1]}`;
}

/** @param {number} seconds */
export const secondsText = (seconds) => durationText(seconds * 1000);

/** @param {number} share */
export const shareText = (share) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;

/**
 * Write a count of things: `1 key`, `3 keys`.
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (count, one, many = `${one}s`) =>
  `${countText(count)} ${count === 1 ? one : many}`;
