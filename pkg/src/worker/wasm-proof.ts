/** Is the engine that another origin sends the one that this script was built with? Of the page's own origin it may be a build of the page's own. */

import { RerankerError } from "../error.js";
import { sha256 } from "../storage/hash.js";

/** SHA-256 of the modules that were built with this script; the build writes it in. */
declare const WASM_SHA256: readonly string[];

const HINT = "Serve tabrank.wasm and worker.js of one version of this package, or the module from the page's own origin.";

/** Insecure contexts cannot hash, and have nothing that is worth proving. */
export function needsProof(url: string): boolean {
  return new URL(url).origin !== globalThis.origin && isSecureContext;
}

/** The module's bytes, once they are known to be ours. */
export async function proven(url: string, response: Response): Promise<ArrayBuffer> {
  const bytes = await response.arrayBuffer();
  const found = await sha256(new Uint8Array(bytes));
  if (WASM_SHA256.includes(found)) return bytes;
  const message = `${url} holds another module than this version's: its SHA-256 is ${found}`;
  throw new RerankerError({ code: "INTEGRITY_FAILED", message, hint: HINT, details: { url } });
}
