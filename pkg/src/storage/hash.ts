/** What names bytes by their content. */

import type { Bytes } from "../files.js";

/** In hexadecimal digits. Needs a secure context, as storage does. */
export async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
