/** Fetches and compiles the engine. The two ways in which pages go wrong, an address that answers with HTML and a strict CSP, get errors that name the fix. */

import { RerankerError } from "../error.js";
import { builtin } from "../node.js";
import { within } from "../patience.js";
import { addressError, MANNERS, statusError, withRetries } from "./download.js";
import { ADDRESSES, needsProof, proven } from "./wasm-proof.js";

const ADDRESS_HINT = `With the dev server of Vite 7 or older add optimizeDeps: { exclude: ["tabrank"] } to its configuration; elsewhere pass the addresses of the modules: ${ADDRESSES}`;

/** Milliseconds without a byte of the module. */
const SILENCE = 30_000;

export function compileModule(url: string): Promise<WebAssembly.Module> {
  return withRetries(() => tryToCompile(url));
}

async function tryToCompile(url: string): Promise<WebAssembly.Module> {
  try {
    return (await compileAsItComes(url)) ?? (await compileWhole(url));
  } catch (error) {
    throw explain(url, error);
  }
}

/** A streamed response as it came is what browsers keep compiled code for, but it does not show whether bytes still come: undefined where it takes long. */
async function compileAsItComes(url: string): Promise<WebAssembly.Module | undefined> {
  const request = new AbortController();
  const late = Symbol();
  try {
    return await within(SILENCE, ask(url, request.signal).then((response) => compile(url, response)), () => late);
  } catch (error) {
    request.abort();
    if (error !== late) throw error;
    return undefined;
  }
}

/** The module piece by piece, with an end to each silence. */
async function compileWhole(url: string): Promise<WebAssembly.Module> {
  const request = new AbortController();
  const next = <T>(step: Promise<T>) => within(SILENCE, step, () => silent(url));
  try {
    const response = await next(ask(url, request.signal));
    const reader = response.body!.getReader();
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    for (let piece = await next(reader.read()); !piece.done; piece = await next(reader.read())) pieces.push(piece.value);
    return await compile(url, new Response(new Blob(pieces), { headers: response.headers }));
  } catch (error) {
    request.abort();
    throw error;
  }
}

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  // Node fetches no files.
  const file = url.startsWith("file:") && typeof location === "undefined" && builtin<{ readFile(url: URL): Promise<Uint8Array<ArrayBuffer>> }>("fs/promises");
  if (file) return new Response(await file.readFile(new URL(url)), { headers: { "content-type": "application/wasm" } });
  const response = await fetch(url, { ...MANNERS, signal });
  if (!response.ok) throw statusError(url, response.status, ADDRESS_HINT);
  return response;
}

async function compile(url: string, response: Response): Promise<WebAssembly.Module> {
  if (needsProof(url)) return WebAssembly.compile(await proven(url, response));
  if (mediaType(response) === "application/wasm") return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await wasmBytes(url, response));
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

function silent(url: string): RerankerError {
  return addressError("NETWORK", url, `sent no byte for ${SILENCE / 1000} seconds`);
}

function explain(url: string, cause: unknown): unknown {
  if (cause instanceof TypeError) return addressError("NETWORK", url, "could not be fetched", { cause });
  if (!(cause instanceof WebAssembly.CompileError)) return cause;
  if (/content security policy|unsafe-eval|\bcsp\b/i.test(cause.message)) {
    return new RerankerError({ code: "WASM_BLOCKED_BY_CSP", message: "the Content-Security-Policy does not allow WebAssembly" }, { cause });
  }
  return notWasm(url, `no valid WebAssembly module (${cause.message})`);
}
