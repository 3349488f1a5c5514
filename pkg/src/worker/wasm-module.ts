/** Fetches and compiles the engine. The two ways in which pages go wrong, an address that answers with HTML and a strict CSP, get errors that name the fix. */

import { RerankerError } from "../error.js";
import { addressError, statusError, withRetries } from "./download.js";
import { needsProof, proven } from "./wasm-proof.js";

const ADDRESS_HINT =
  'With the Vite dev server add optimizeDeps: { exclude: ["tabrank"] } to its configuration; elsewhere pass the address of tabrank/tabrank.wasm as wasmUrl.';

export function compileModule(url: string): Promise<WebAssembly.Module> {
  return withRetries(() => tryToCompile(url));
}

async function tryToCompile(url: string): Promise<WebAssembly.Module> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw statusError(url, response.status, ADDRESS_HINT);
    if (needsProof(url)) return await WebAssembly.compile(await proven(url, response));
    // A streamed response as it came is what browsers keep compiled code for.
    if (mediaType(response) === "application/wasm") return await WebAssembly.compileStreaming(response);
    return await WebAssembly.compile(await wasmBytes(url, response));
  } catch (error) {
    throw explain(url, error);
  }
}

function mediaType(response: Response): string | undefined {
  return response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
}

async function wasmBytes(url: string, response: Response): Promise<ArrayBuffer> {
  const bytes = await response.arrayBuffer();
  if (new TextDecoder().decode(bytes.slice(0, 4)) === "\0asm") return bytes;
  throw notWasm(url, mediaType(response) === "text/html" ? "a web page (HTML)" : "no WebAssembly module");
}

function notWasm(url: string, found: string): RerankerError {
  return addressError("INTEGRITY_FAILED", url, `holds ${found}`, { hint: ADDRESS_HINT });
}

function explain(url: string, cause: unknown): unknown {
  if (cause instanceof TypeError) return addressError("NETWORK", url, "could not be fetched", { cause });
  if (!(cause instanceof WebAssembly.CompileError)) return cause;
  if (/content security policy|unsafe-eval|\bcsp\b/i.test(cause.message)) {
    return new RerankerError({ code: "WASM_BLOCKED_BY_CSP", message: "the Content-Security-Policy does not allow WebAssembly" }, { cause });
  }
  return notWasm(url, `no valid WebAssembly module (${cause.message})`);
}
