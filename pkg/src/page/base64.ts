/** Base64 in its standard alphabet and without anything else: no spaces, all padding, and no bits behind the last byte. */

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** What no digit has. */
const NONE = 64;

const VALUES = new Uint8Array(128).fill(NONE);
for (let value = 0; value < DIGITS.length; value++) VALUES[DIGITS.charCodeAt(value)] = value;

/** The bytes, or undefined where the text is not what it should be. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> | undefined {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  if (text.length % 4 !== 0) return undefined;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let found = 0;
  let end = 0;
  for (let place = 0; place < text.length - padding; place++) {
    const value = VALUES[text.charCodeAt(place)] ?? NONE;
    found |= value;
    bits = (bits << 6) | value;
    // Each digit but the first of four ends a byte.
    if (place % 4 !== 0) bytes[end++] = bits >> (6 - 2 * (place % 4));
  }
  const behind = bits & (4 ** padding - 1);
  return found & NONE || behind ? undefined : bytes;
}
