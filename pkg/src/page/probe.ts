/** What would a load find here? Nothing of a model is fetched but what says how large it is. */

import { type Bytes, MANIFEST } from "../files.js";
import { lookForGpu } from "../gpu-adapter.js";
import { within } from "../patience.js";
import { fileUrl } from "../storage/model-cache.js";
import { persistence } from "../storage/persistence.js";
import { findSpeed } from "../storage/speed-notes.js";
import { storedBytes, storedFile, type ModelPlace } from "../storage/stored-models.js";
import type { DeviceSpeed, Probe, ProbedModel, ProbeOptions } from "../types.js";
import { cores } from "./headcount.js";
import { checkProbe } from "./options.js";
import { placeOfModel } from "./places.js";
import { hasRelaxedSimd } from "./relaxed-simd.js";

/** Milliseconds that the browser is given to name an adapter. */
const PATIENCE = 10_000;

/** Bytes that a manifest, or the list of a checkpoint's shards, may have. */
const MOST_LIST = 8 * 2 ** 20;

export async function probe(source: string | URL | undefined, options: ProbeOptions): Promise<Probe> {
  const checked = checkProbe(options);
  checked.signal?.throwIfAborted();
  const place = source === undefined ? undefined : placeOfModel(source, checked);
  const [gpu, storage, model] = await Promise.all([gpuHere(), storageHere(), place && modelAt(place, checked.signal)]);
  checked.signal?.throwIfAborted();
  return { simd: hasRelaxedSimd() ? "relaxed" : "simd128", cores: cores(), gpu, storage, ...(model && { model }) };
}

async function gpuHere(): Promise<Probe["gpu"]> {
  try {
    const { adapter, unavailable } = await within(PATIENCE, lookForGpu("auto"), () => new Error());
    if (unavailable !== undefined) return { unavailable };
    const { description, vendor, architecture } = adapter!;
    return { adapter: description || [vendor, architecture].filter(Boolean).join(" ") };
  } catch {
    return { unavailable: `the browser gave no WebGPU adapter within ${PATIENCE / 1000} seconds` };
  }
}

async function storageHere(): Promise<Probe["storage"]> {
  const estimate = async () => navigator.storage.estimate();
  const [persisted, { usage, quota }] = await Promise.all([persistence(false), estimate().catch((): StorageEstimate => ({}))]);
  return { persisted, ...(usage !== undefined && { usage }), ...(quota !== undefined && { quota }) };
}

async function modelAt(place: ModelPlace, signal: AbortSignal | undefined): Promise<ProbedModel> {
  const bytes = await storedBytes(place).catch(() => undefined);
  const speed = await findSpeed(place).catch(() => undefined);
  const manifest = await (bytes === undefined ? manifestOf(place, signal) : storedManifest(place));
  const found = bytes === undefined ? await downloadOf(place, manifest, signal) : { bytes };
  const pages = await pagesAt(place, manifest);
  return { stored: bytes !== undefined, ...found, ...(pages && { pages }), ...(speed && { speed: plain(speed) }) };
}

/** Of a bundle that has a side for pages. */
async function pagesAt(place: ModelPlace, manifest: Manifest): Promise<ProbedModel["pages"]> {
  if (place.dtype !== undefined) return undefined;
  const stored = await storedBytes({ ...place, part: "pages" }).catch(() => undefined);
  if (stored !== undefined) return { stored: true, bytes: stored };
  const bytes = bytesOf(manifest.pages);
  return bytes === undefined ? undefined : { stored: false, bytes };
}

/** Of a bundle that is stored, and keeps its page side apart. */
export async function hasPageSide(place: ModelPlace): Promise<boolean> {
  return bytesOf((await storedManifest(place)).pages) !== undefined;
}

async function storedManifest(place: ModelPlace): Promise<Manifest> {
  return parsed(await storedFile(place, MANIFEST).catch(() => undefined));
}

function parsed(manifest: Bytes | undefined): Manifest {
  try {
    return JSON.parse(new TextDecoder().decode(manifest)) as Manifest;
  } catch {
    return {};
  }
}

function plain({ device, workers, tokensPerSecond }: DeviceSpeed): DeviceSpeed {
  return { device, workers, tokensPerSecond };
}

type Download = Pick<ProbedModel, "bytes" | "dtype">;

/** The manifest of a bundle says all; of a checkpoint the server says how large the weights are, or the list of their shards does. */
async function downloadOf(place: ModelPlace, manifest: Manifest, signal: AbortSignal | undefined): Promise<Download> {
  return bundle(manifest) ?? (await weights(place, signal)) ?? (await shards(place, signal)) ?? {};
}

/** All files but those of the page side. */
function bundle({ files, weights, dtype }: Manifest): Download | undefined {
  const [most, shards = 0] = [bytesOf(files), bytesOf(weights)];
  if (most === undefined) return undefined;
  const bytes = most + shards;
  return { ...(Number.isSafeInteger(bytes) && { bytes }), ...(typeof dtype === "string" && { dtype }) };
}

interface Manifest {
  files?: unknown;
  weights?: unknown;
  pages?: unknown;
  dtype?: Download["dtype"];
}

async function manifestOf(place: ModelPlace, signal: AbortSignal | undefined): Promise<Manifest> {
  return (await json(place, MANIFEST, signal)) as Manifest;
}

/** Undefined where there is no list of files. */
function bytesOf(files: unknown): number | undefined {
  return Array.isArray(files) && files.length > 0 ? files.reduce((sum: number, file: { bytes?: unknown } | null) => sum + Number(file?.bytes), 0) : undefined;
}

async function weights(place: ModelPlace, signal: AbortSignal | undefined): Promise<Download | undefined> {
  const response = await ask(place, "model.safetensors", { method: "HEAD", signal });
  const bytes = Number(response?.headers.get("content-length"));
  return response?.ok && bytes > 0 ? { bytes } : undefined;
}

async function shards(place: ModelPlace, signal: AbortSignal | undefined): Promise<Download | undefined> {
  const { metadata } = (await json(place, "model.safetensors.index.json", signal)) as { metadata?: { total_size?: unknown } };
  const bytes = Number(metadata?.total_size);
  return bytes > 0 ? { bytes } : undefined;
}

/** An empty object where there is none. */
async function json(place: ModelPlace, name: string, signal: AbortSignal | undefined): Promise<object> {
  const response = await ask(place, name, { signal });
  if (!response?.ok || Number(response.headers.get("content-length")) > MOST_LIST) return {};
  const value: unknown = await response.json().catch(() => undefined);
  return typeof value === "object" && value !== null ? value : {};
}

/** Undefined where there is no answer. */
async function ask({ url, headers }: ModelPlace, name: string, { method = "GET", signal }: { method?: string; signal: AbortSignal | undefined }): Promise<Response | undefined> {
  const credentials = "authorization" in headers ? "omit" : "same-origin";
  const request = fetch(fileUrl(url, name), { method, headers, credentials, referrerPolicy: "no-referrer", ...(signal && { signal }) });
  return request.catch(() => {
    signal?.throwIfAborted();
    return undefined;
  });
}
