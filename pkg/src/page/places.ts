/** Where things are: the model and the wasm module, as absolute addresses. */

import type { FolderLocation, GivenLocation, IndexLocation, LoadRequest } from "../protocol.js";
import type { ModelPlace } from "../storage/stored-models.js";
import type { CheckpointFiles, DeviceChoice, LoadOptions, StoredModelOptions } from "../types.js";
import { asBlobs } from "./blobs.js";
import { invalid, invalidKind, isAddress } from "./invalid.js";
import { hasRelaxedSimd } from "./relaxed-simd.js";

export const FILE_HINT = "Open the page through a web server.";

/** Where there is no page, as in Node. Only a model's files come from a disk too. */
const noPageHint = (name: string) => `There is no page here: pass a whole address (https://…)${name === "source" ? ", or the model's files from a disk as a record of their bytes by name" : ""}.`;

/** A segment of an address that leads elsewhere, or half a surrogate pair, which has no place in one. */
const NO_REVISION = /^\.\.?$|[\ud800-\udfff]/u;

const FILE = /\.(json|safetensors)$/;

const SCHEME = /^(https?|[a-z-]+-extension):$/;

/** A model's owner and name. A relative address may look the same, so it is taken for one only where a hub is named. */
const HUB_ID = /^(?!\.)[\w.-]+\/(?!\.)[\w.-]+$/;

export function modelLocation(source: string | URL | CheckpointFiles, options: LoadOptions): FolderLocation | GivenLocation {
  if (options.hub === undefined && !isAddress(source)) return { kind: "files", files: someBlobs(source) };
  return { kind: "folder", ...storedPlace(source as string | URL, options), cache: options.cache ?? "use" };
}

function someBlobs(source: CheckpointFiles): Record<string, Blob> {
  const files = asBlobs(source);
  if (Object.keys(files).length === 0) throw invalid("source holds no files; expected an address or a record of files");
  return files;
}

/** What tells a model from all others that are stored. */
export function storedPlace(source: string | URL, options: StoredModelOptions): Omit<FolderLocation, "kind" | "cache"> {
  const folder = folderOf(source, options);
  const url = withoutCredentials(folder);
  const headers = { ...authorizationOf(folder), ...asHeaders(options.headers) };
  if (options.hub === undefined) return { url, source: withoutSecrets(url), revision: options.revision ?? "", headers };
  return { url, source: source as string, hub: withoutSecrets(absolute(options.hub, "hub")), revision: revisionOf(options.revision), headers };
}

/** The same, of one that has an address, in a type of weights. */
export function placeOfModel(source: string | URL, options: StoredModelOptions): ModelPlace {
  return { ...storedPlace(source, options), dtype: options.dtype };
}

/** As a model's; `url` is what the caller calls it. */
export function indexLocation(url: string | URL, { headers, cache = "use" }: { headers?: HeadersInit; cache?: IndexLocation["cache"] }): IndexLocation {
  const folder = asFolder(absolute(url, "url"), "url", "index");
  const plain = withoutCredentials(folder);
  return { url: plain, source: withoutSecrets(plain), headers: { ...authorizationOf(folder), ...asHeaders(headers) }, cache };
}

function withoutSecrets(address: string | URL): string {
  const url = new URL(address);
  url.username = url.password = url.search = "";
  return url.href;
}

/** The folder's address, ending in a slash. */
function folderOf(source: string | URL, { hub, revision }: Pick<LoadOptions, "hub" | "revision">): URL {
  return asFolder(hub === undefined ? absolute(source, "source") : hubFolder(source, hub, revision), "source", "checkpoint");
}

function asFolder(url: URL, name: string, what: string): URL {
  if (FILE.test(url.pathname)) throw invalid(`${name} is the address of a file; expected that of the folder it is in`);
  if (!SCHEME.test(url.protocol)) throw invalid(`${name} has the scheme ${url.protocol}, which no ${what} is loaded from`, url.protocol === "file:" ? (globalThis.location ? FILE_HINT : noPageHint(name)) : undefined);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  url.hash = "";
  return url;
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

/** What a bundle's manifest says of the checkpoint it was made from, as far as it is known. */
export function originOf(source: unknown, { hub, revision }: LoadOptions): { repository?: string; revision?: string } {
  return hub === undefined ? {} : { repository: source as string, revision: revisionOf(revision) };
}

function hubFolder(id: unknown, hub: string | URL, revision: string | undefined): URL {
  if (typeof id !== "string" || !HUB_ID.test(id)) throw invalid('source is no model\'s id; with hub it is "owner/name"');
  if (NO_REVISION.test(revisionOf(revision))) throw invalid("revision is no branch, tag or commit");
  const url = absolute(hub, "hub");
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${id}/resolve/${encodeURIComponent(revisionOf(revision))}/`;
  return url;
}

function revisionOf(revision: string | undefined): string {
  return revision || "main";
}

/** Resolved here and not in the worker, whose own address a bundler may have turned into a blob. */
export function wasmUrl({ wasmUrl: given, simd = "auto" }: LoadOptions): string {
  const isRelaxed = simd === "auto" && hasRelaxedSimd();
  // Bundlers look for these literal forms. Of Next.js they are no whole addresses.
  const url = given ?? (isRelaxed ? new URL("./tabrank-relaxed.wasm", import.meta.url) : new URL("./tabrank.wasm", import.meta.url));
  return withoutCredentials(absolute(url, "wasmUrl"));
}

/** The module that decodes pictures. */
export function imagesWasmUrl({ imagesWasmUrl: given }: Pick<LoadOptions, "imagesWasmUrl">): string {
  return withoutCredentials(absolute(given ?? new URL("./tabrank-images.wasm", import.meta.url), "imagesWasmUrl"));
}

/** The module with both devices. */
function gpuWasmUrl({ gpuWasmUrl: given }: Pick<LoadOptions, "gpuWasmUrl">): string {
  return withoutCredentials(absolute(given ?? new URL("./tabrank-gpu.wasm", import.meta.url), "gpuWasmUrl"));
}

/** The engine of the CPU alone, unless a GPU was asked for by name. */
export function engineFor(device: DeviceChoice, options: Pick<LoadOptions, "wasmUrl" | "gpuWasmUrl" | "simd">): Pick<LoadRequest, "wasm" | "engine"> {
  return device === "webgpu" ? { engine: "both", wasm: gpuWasmUrl(options) } : { engine: "cpu", wasm: wasmUrl(options) };
}

export function absolute(address: unknown, name: string): URL {
  // An empty one would be the page's own.
  if (!isAddress(address) || address === "") throw invalidKind(address, name, "an address");
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    return new URL(address, base);
  } catch (error) {
    throw invalid(`${name} is no address`, base === undefined ? noPageHint(name) : undefined, error);
  }
}

/**
 * Of a record those that are there, as of options: to the platform undefined is a word like any other. Its own errors about a header may quote its value, which
 * may be a secret.
 */
function asHeaders(headers: HeadersInit = {}): Record<string, string> {
  try {
    const given = Symbol.iterator in headers ? headers : Object.entries(headers).filter(([, value]) => value !== undefined);
    return Object.fromEntries(new Headers(given));
  } catch {
    throw invalid("headers are no valid HTTP headers");
  }
}
