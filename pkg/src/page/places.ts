/** Where things are: the model, the worker's script and the wasm module, as absolute addresses. */

import { RerankerError } from "../error.js";
import type { FolderLocation, GivenLocation, Origin } from "../protocol.js";
import type { CheckpointFiles, LoadOptions } from "../types.js";
import { checkWord, invalid, kindOf } from "./input.js";
import { hasRelaxedSimd } from "./relaxed-simd.js";

const REFUSED_HINT =
  "Serve worker.js from the page's own origin. Under require-trusted-types-for pass its address as workerUrl, and allow the policy tabrank if trusted-types lists policies.";

const SCHEME = /^(https?|[a-z-]+-extension):$/;

/** A model's owner and name. A relative address may look the same, so it is taken for one only where a hub is named. */
const HUB_ID = /^(?!\.)[\w.-]+\/(?!\.)[\w.-]+$/;

export function modelLocation(source: string | URL | CheckpointFiles, options: LoadOptions): FolderLocation | GivenLocation {
  if (options.hub === undefined && typeof source !== "string" && !(source instanceof URL)) return { kind: "files", files: asBlobs(source) };
  const cache = checkWord(options.cache ?? "use", ["use", "reload", "off"], "cache");
  const { url, authorization } = folder(source as string | URL, options);
  const headers = { ...authorization, ...asHeaders(options.headers) };
  return { kind: "folder", url, revision: options.revision ?? "", cache, headers, origin: originOf(source, options) };
}

/** The folder's address, ending in a slash, without the name and the password that may stand in it. */
export function folderUrl(source: string | URL, options: Pick<LoadOptions, "hub" | "revision">): string {
  return folder(source, options).url;
}

function folder(source: string | URL, { hub, revision }: Pick<LoadOptions, "hub" | "revision">): { url: string; authorization: Record<string, string> } {
  const url = hub === undefined ? absolute(source, "source") : hubFolder(source, hub, revision);
  if (!SCHEME.test(url.protocol)) throw invalid(`source has the scheme ${url.protocol}, which no checkpoint is loaded from`);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  url.hash = "";
  return { url: withoutCredentials(url), authorization: authorizationOf(url) };
}

/** Browsers fetch no address with a name and a password in it; for a page that was opened by one, each relative address has them too. */
function withoutCredentials(url: URL): string {
  const plain = new URL(url);
  plain.username = plain.password = "";
  return plain.href;
}

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const bytes = new TextEncoder().encode(`${unescaped(username)}:${unescaped(password)}`);
  return { authorization: `Basic ${btoa(String.fromCharCode(...bytes))}` };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function originOf(source: unknown, { hub, revision }: LoadOptions): Origin {
  return hub === undefined ? {} : { repository: source as string, revision: revisionOf(revision) };
}

function hubFolder(id: unknown, hub: string | URL, revision: string | undefined): URL {
  if (typeof id !== "string" || !HUB_ID.test(id)) throw invalid('source is no model\'s id; with hub it is "owner/name"');
  const url = absolute(hub, "hub");
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${id}/resolve/${encodeURIComponent(revisionOf(revision))}/`;
  return url;
}

function revisionOf(revision: string | undefined): string {
  return revision || "main";
}

/** Resolved here and not in the worker, whose own address a bundler may have turned into a blob. */
export function wasmUrl({ wasmUrl: given, simd = "auto" }: LoadOptions): string {
  const isRelaxed = checkWord(simd, ["auto", "simd128"], "simd") === "auto" && hasRelaxedSimd();
  if (given !== undefined) return withoutCredentials(absolute(given, "wasmUrl"));
  // Bundlers look for these literal forms.
  return withoutCredentials(isRelaxed ? new URL("./tabrank-relaxed.wasm", import.meta.url) : new URL("./tabrank.wasm", import.meta.url));
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
