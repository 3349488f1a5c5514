/** Where things are: the checkpoint, the worker's script and the wasm module, as absolute addresses. */

import { RerankerError } from "./error.js";
import { invalid, kindOf } from "./input.js";
import type { FolderLocation, GivenLocation } from "./protocol.js";
import type { CheckpointFiles, LoadOptions } from "./types.js";

const REFUSED_HINT =
  "Serve worker.js from the page's own origin. Under require-trusted-types-for pass its address as workerUrl, and allow the policy tabrank if trusted-types lists policies.";

const SCHEME = /^(https?|[a-z-]+-extension):$/;

export function checkpointLocation(source: string | URL | CheckpointFiles, options: LoadOptions): FolderLocation | GivenLocation {
  if (typeof source !== "string" && !(source instanceof URL)) return { kind: "files", files: asBlobs(source) };
  const { revision = "", cache = "use" } = options;
  if (!["use", "reload", "off"].includes(cache)) throw invalid('cache is none of "use", "reload", "off"');
  return { kind: "folder", url: folderUrl(source), revision, cache, headers: asHeaders(options.headers) };
}

/** The folder's address, ending in a slash. */
export function folderUrl(source: string | URL): string {
  const url = absolute(source, "source");
  if (!SCHEME.test(url.protocol)) throw invalid(`source has the scheme ${url.protocol}, which no checkpoint is loaded from`);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  url.hash = "";
  return url.href;
}

/** Resolved here and not in the worker, whose own address a bundler may have turned into a blob. */
export function wasmUrl(given: string | URL | undefined): string {
  const url = given === undefined ? new URL("./tabrank.wasm", import.meta.url) : absolute(given, "wasmUrl");
  return url.href;
}

export function spawnWorker(given: string | URL | undefined): Worker {
  if (typeof Worker === "undefined") throw new RerankerError({ code: "WORKER_FAILED", message: "there are no workers here", hint: "Load in a browser." });
  try {
    // Bundlers look for this literal form.
    if (given === undefined) return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    return new Worker(trusted(absolute(given, "workerUrl")), { type: "module" });
  } catch (cause) {
    if (cause instanceof RerankerError) throw cause;
    const message = `the browser refused to start the worker (${cause instanceof Error ? cause.name : "unknown cause"})`;
    throw new RerankerError({ code: "WORKER_FAILED", message, hint: REFUSED_HINT }, { cause });
  }
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

let policy: { createScriptURL(url: string): string } | undefined;

/** Pages under `require-trusted-types-for` start no worker from a plain address. The caller, who is the page itself, vouches for this one. */
function trusted(url: URL): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  policy ??= trustedTypes?.createPolicy("tabrank", { createScriptURL: (address) => address });
  return policy ? policy.createScriptURL(url.href) : url.href;
}

function absolute(address: string | URL, name: string): URL {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    return new URL(address, base);
  } catch (error) {
    throw invalid(`${name} is no address`, undefined, error);
  }
}

function asHeaders(headers: Record<string, string> | undefined): Record<string, string> {
  try {
    return Object.fromEntries(new Headers(headers));
  } catch (error) {
    throw invalid("headers are no valid HTTP headers", undefined, error);
  }
}

/** Blobs cross to each worker without a copy, so a worker that takes over can have them again. */
function asBlobs(files: CheckpointFiles): Record<string, Blob> {
  if (typeof files !== "object" || files === null) throw invalid(`source is ${kindOf(files)}; expected an address or a record of files`);
  return Object.fromEntries(Object.entries(files).map(([name, file]) => [name, asBlob(name, file)]));
}

function asBlob(name: string, file: unknown): Blob {
  if (file instanceof Blob) return file;
  if (file instanceof ArrayBuffer || file instanceof Uint8Array) return new Blob([file as BlobPart]);
  throw invalid(`source[${JSON.stringify(name)}] is ${kindOf(file)}; expected a Blob, an ArrayBuffer or a Uint8Array`);
}
