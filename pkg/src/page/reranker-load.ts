/** Loads a model for a Reranker, and looks after those that are stored. */

import type { LoadRequest } from "../protocol.js";
import { causeOf } from "../storage/failure.js";
import { persistence } from "../storage/persistence.js";
import { rememberSpeed } from "../storage/speed-notes.js";
import { clearStored, deleteStored, isStored, listStored, type ModelPlace } from "../storage/stored-models.js";
import { deleteVectors } from "../storage/vector-database.js";
import type { CheckpointFiles, LoadOptions, Simd, StoredModel, StoredModelOptions, VectorCache } from "../types.js";
import * as calls from "./reranker-calls.js";
import { DeviceSwitch } from "./device-switch.js";
import { DocumentCache } from "./document-cache.js";
import { mayBeSeveral } from "./headcount.js";
import { checkLimits } from "./input.js";
import { Latest } from "./latest.js";
import { openClient } from "./open-client.js";
import { checkLoad, checkStored, checkVectorCache } from "./options.js";
import { doorTo, type Own } from "./own.js";
import { engineFor, imagesWasmUrl, modelLocation, originOf, placeOfModel, storedPlace } from "./places.js";
import { PageRate } from "./page-rate.js";
import { fetchPageSide, PageSide } from "./page-side.js";
import { Pool } from "./pool.js";
import { Rate } from "./rate.js";
import type { Client } from "./worker-client.js";

/** What a Reranker is made of. */
export interface Loaded {
  door: () => Own;
  vectorCache: VectorCache;
  simd: Simd;
}

export async function loadReranker(source: string | URL | CheckpointFiles, options: LoadOptions): Promise<Loaded> {
  const checked = checkLoad(options);
  checked.signal?.throwIfAborted();
  const limits = checkLimits(checked.limits);
  const settings = checkVectorCache(checked.vectorCache);
  const { workers = "auto", persist = false } = checked;
  const load = { ...loadRequest(source, checked), share: mayBeSeveral(workers) };
  const persisted = persistence(persist);
  const { client, answer, gpu, another } = await openClient(load, limits, checked);
  const model = answer.model!;
  const pool = new Pool(client, { model, workers, queue: limits.queue, another });
  const devices = new DeviceSwitch(pool, answer.gpuKernel, load.device === "auto" ? "only" : "asked", checked.onDeviceChange);
  const start = () => another({ ...(client.copy ?? load), ...engineFor("webgpu", checked), device: "auto" }, (warning) => devices.warn(warning));
  if (load.device === "auto") void gpu.then((adapter) => devices.tryGpu({ adapter, embeddingId: model.embeddingId, start }));
  const cache = settings && new DocumentCache(model, settings, warningOf(devices));
  const rate = new Rate(model);
  const place = load.checkpoint?.kind === "folder" && load.checkpoint.cache !== "off" ? { ...load.checkpoint, dtype: checked.dtype } : undefined;
  const noteSpeed = place ? speedNoter(place, devices, rate) : () => {};
  const pageSide = new PageSide(devices, answer.hasPages ?? false, (listening) => fetchPageSide(load, limits, checked, listening));
  const door = doorTo({ calls, client: devices, limits, model, latest: new Latest(), rate, pageSide, pageRate: new PageRate(), imagesWasm: imagesWasmUrl(checked), noteSpeed, persisted, cache });
  return { door, vectorCache: { size: async () => cache?.store.size() ?? { memory: 0, stored: 0 }, clear: async () => cache?.store.clear() }, simd: answer.simd };
}

export async function isModelCached(source: string | URL, options: StoredModelOptions): Promise<boolean> {
  const place = placeOfModel(source, checkStored(options));
  // Where the browser denies storage, nothing can be there.
  return isStored(place).catch(() => false);
}

export async function cachedModels(): Promise<StoredModel[]> {
  return listStored().catch(() => []);
}

export async function deleteCachedModel(source: string | URL, options: StoredModelOptions): Promise<boolean> {
  return deleteStored(placeOfModel(source, checkStored(options))).catch(() => false);
}

export async function clearCachedModels(source: string | URL | undefined, options: Pick<StoredModelOptions, "hub">): Promise<boolean> {
  return clearStored(source === undefined ? undefined : storedPlace(source, checkStored(options))).catch(() => false);
}

export async function clearVectors(): Promise<boolean> {
  return deleteVectors().catch(() => false);
}

/** The second ranking tells: the first finds caches cold, and code that was not compiled for speed yet. */
function speedNoter(place: ModelPlace, client: DeviceSwitch, rate: Rate): () => void {
  let rankings = 0;
  return () => {
    const tokensPerSecond = rate.tokensPerSecond(client.device);
    if (tokensPerSecond === undefined || ++rankings !== 2) return;
    const { device, workers } = client.choice;
    void rememberSpeed(place, { device, workers, tokensPerSecond }).catch(() => {});
  };
}

/** Warns once, of whatever storage fails with first. */
function warningOf(client: Client): (error: unknown) => void {
  let isWarned = false;
  return async (error) => {
    if (isWarned) return;
    isWarned = true;
    const message = `Embeddings of documents could not be kept in this browser, or read from there (${await causeOf(error)}); those that the page does not hold are encoded again.`;
    client.warn({ code: "VECTOR_CACHE_UNAVAILABLE", message });
  };
}

function loadRequest(source: string | URL | CheckpointFiles, options: LoadOptions): LoadRequest {
  const checkpoint = modelLocation(source, options);
  const { device = "auto", dtype, specialTokens, overrides } = options;
  const convert = dtype && { dtype, ...originOf(source, options) };
  return { ...engineFor(device, options), checkpoint, device, convert, resume: false, ...(convert && { withPages: true }), ...(specialTokens === "text" && { specialTokens }), ...(overrides && { overrides }) };
}
