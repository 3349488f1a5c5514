/** Is the engine the one that this script was built with? Another origin's is held against its hash; the page's own may be a build of the page's own that fits. */

import { RerankerError } from "../error.js";
import { sha256 } from "../storage/hash.js";
import { addressError } from "./download.js";

/** SHA-256 of the modules that were built with this script; the build writes it in. */
declare const WASM_SHA256: readonly string[];

const ONE_VERSION = "Serve the wasm modules and worker.js of one version of this package";

/** For whoever names the one module in place of the other. */
export const ADDRESSES = "wasmUrl is the address of tabrank/tabrank.wasm or tabrank/tabrank-relaxed.wasm, gpuWasmUrl that of tabrank/tabrank-gpu.wasm, imagesWasmUrl that of tabrank/tabrank-images.wasm.";

/** Insecure contexts cannot hash, and have nothing that is worth proving. Node, which has no contexts, reads its own from a file. */
export function needsProof(url: string): boolean {
  return new URL(url).origin !== globalThis.origin && (globalThis.isSecureContext ?? url.startsWith("http"));
}

/** The module's bytes, once they are known to be ours. */
export async function proven(url: string, response: Response): Promise<ArrayBuffer> {
  const bytes = await response.arrayBuffer();
  const found = await sha256(new Uint8Array(bytes));
  if (WASM_SHA256.includes(found)) return bytes;
  const message = `${url} holds another module than this version's: its SHA-256 is ${found}`;
  throw new RerankerError({ code: "INTEGRITY_FAILED", message, hint: `${ONE_VERSION}, or the module from the page's own origin.`, details: { url } });
}

/** The error where an instance could not be made: a module that lacks what is called of it gives a TypeError, one that wants what is not there a LinkError or that. */
export function misfit(url: string, cause: unknown): unknown {
  if (!(cause instanceof TypeError) && !(cause instanceof WebAssembly.LinkError)) return cause;
  return addressError("INTEGRITY_FAILED", url, `holds another module than this version's (${cause.message})`, { hint: `${ONE_VERSION}. ${ADDRESSES}`, cause });
}
