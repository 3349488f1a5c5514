/** What names bytes by their content. */

import type { Bytes } from "../files.js";

/** Undefined where nothing can be hashed, which is where nothing is kept. */
export async function hashOf(bytes: Bytes): Promise<string | undefined> {
  return globalThis.isSecureContext === false ? undefined : sha256(bytes);
}

/** In hexadecimal digits. Needs a secure context, as storage does. */
export async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
