/**
 * A load as the worker does it: compile, and ask for the model's files meanwhile; prepare them, hand them to the engine, and keep them in this browser once it has
 * accepted them.
 */

import { RerankerError } from "../error.js";
import type { GpuState } from "../gpu-adapter.js";
import type { FolderLocation, FromWorker, GivenLocation, LoadRequest } from "../protocol.js";
import { causeOf } from "../storage/failure.js";
import { ModelCache } from "../storage/model-cache.js";
import type { ModelPlace } from "../storage/stored-models.js";
import type { Warning } from "../types.js";
import type { Checkpoint, Engine, EngineModule, Hooks } from "./engine.js";
import { FolderLoad } from "./folder-load.js";
import { GivenFiles } from "./given-files.js";
import { findGpu, noteGpuFault, noteGpuKernel, tryKernels, wantedKernel } from "./gpu.js";
import { LoadMeter } from "./load-meter.js";
import { Preparation } from "./preparation.js";
import { SharedFiles } from "./shared-files.js";
import { EventLoop } from "./task.js";
import { compileModule } from "./wasm-module.js";
import { misfit } from "./wasm-proof.js";

/** Undefined without a checkpoint, or where one is only stored. */
export async function loadEngine<C extends Checkpoint>(
  module: EngineModule<C>,
  request: LoadRequest,
  post: (message: FromWorker) => void,
  onPanic: (text: string) => void,
): Promise<Engine | void> {
  const meter = new LoadMeter((progress) => post({ type: "progress", progress }));
  meter.phase("compile");
  const found = request.device === "cpu" ? ({} as GpuState) : findGpu(request.device);
  if (request.engine === "cpu" && request.device === "auto") void tell(found, post);
  const device = request.engine === "cpu" ? "cpu" : request.device;
  const ready = Promise.all([device === "cpu" ? ({} as GpuState) : found, start(module, request.wasm, post)]).then(([gpu]) => {
    module.onPanic(onPanic);
    if (gpu.unavailable !== undefined && device === "webgpu") throw new RerankerError({ code: "WEBGPU_UNAVAILABLE", message: gpu.unavailable });
    if (request.checkpoint) meter.phase("download");
    return gpu;
  });
  const { checkpoint: location } = request;
  if (!location) {
    await ready;
    return;
  }
  // What the page gave, and is loaded as it is, it has already.
  const isNews = location.kind === "folder" || request.convert !== undefined;
  const shared = request.share && isNews ? new SharedFiles<C>() : undefined;
  const watched = shared?.watched(module) ?? module;
  const isOfPages = location.part === "pages";
  const preparation = new Preparation(isOfPages || request.withPages ? wantingPages(watched, isOfPages) : watched, ready, request.convert, meter, hooks(meter));
  const engine = fromPlace(location, request, post, preparation, async (checkpoint) => {
    if (request.storeOnly) return handedOver(checkpoint, shared?.of(checkpoint), post);
    const { unavailable, bufferLimit } = await ready;
    if (device !== "cpu" && unavailable === undefined) post({ type: "trying-webgpu" });
    const { specialTokens, overrides } = request;
    const dtype = checkpoint.dtype ?? "f32";
    const gpuKernel = device === "cpu" || unavailable !== undefined ? undefined : await wantedKernel(dtype);
    const gpu = {
      ...(unavailable !== undefined && { gpuUnavailable: unavailable }),
      ...(bufferLimit !== undefined && { gpuBufferLimit: bufferLimit }),
      ...(gpuKernel !== undefined && { gpuKernel }),
    };
    const settings = { device, ...gpu, ...(specialTokens && { specialTokens }), ...(overrides && { overrides }) };
    const files = shared?.of(checkpoint);
    const engine = await module.Engine.load(checkpoint, settings, hooks(meter));
    if (files) post({ type: "files", files });
    if (engine.gpuFault !== undefined) await noteGpuFault(engine.gpuFault);
    const { variant, trials } = engine.gpuKernel ?? { trials: [] };
    if (variant !== undefined && trials.length > 0) await noteGpuKernel(dtype, variant);
    return engine;
  });
  // Without a module nobody waits for it.
  engine.catch(() => {});
  await ready;
  return engine;
}

/** What was to be stored, for whoever wants it at once. */
function handedOver(checkpoint: Checkpoint, files: Record<string, Blob> | undefined, post: (message: FromWorker) => void): void {
  checkpoint.free();
  if (files) post({ type: "files", files });
}

/** The module, whose checkpoints want the page side too, or alone. */
function wantingPages<C extends Checkpoint>(module: EngineModule<C>, alone: boolean): EngineModule<C> {
  const construct = (Checkpoint: new () => C) => {
    const checkpoint = new Checkpoint();
    checkpoint.wantPages(alone);
    return checkpoint;
  };
  return { ...module, Checkpoint: new Proxy(module.Checkpoint, { construct }) };
}

/** A load on the CPU does not wait for it. */
async function tell(found: GpuState | Promise<GpuState>, post: (message: FromWorker) => void): Promise<void> {
  const { unavailable, adapter } = await found;
  post(unavailable === undefined ? { type: "gpu", adapter: adapter! } : { type: "gpu", unavailable });
}

async function start(module: EngineModule, wasm: string | WebAssembly.Module, post: (message: FromWorker) => void): Promise<void> {
  // An earlier worker's module has shown that it fits.
  if (typeof wasm !== "string") return void (await module.init({ module_or_path: wasm }));
  const compiled = await compileModule(wasm);
  post({ type: "compiled", module: compiled });
  try {
    await module.init({ module_or_path: compiled });
  } catch (error) {
    throw misfit(wasm, error);
  }
}

/** An aborted load ends with its worker, so no hook stops one: the event loop only gets its turns, for what the GPU has to tell. */
function hooks(meter: LoadMeter): Hooks {
  const eventLoop = new EventLoop();
  const goesOn = () => eventLoop.turn()?.then(() => true) ?? true;
  return {
    stage(name) {
      tryKernels(name === "measure");
      if (name === "convert" || name === "load" || name === "check") meter.phase(name);
    },
    batch: goesOn,
    pause: goesOn,
  };
}

async function fromPlace<C extends Checkpoint>(
  location: FolderLocation | GivenLocation,
  { convert, resume }: LoadRequest,
  post: (message: FromWorker) => void,
  preparation: Preparation<C>,
  load: (checkpoint: C) => Promise<Engine | void>,
): Promise<Engine | void> {
  if (location.kind === "files") return load(await preparation.gathered(new GivenFiles(location.files)));
  const cache = await openCache(location, { ...location, dtype: convert?.dtype }, post);
  const warn = (warning: Warning) => post({ type: "warning", warning });
  return new FolderLoad(location, resume, cache, preparation, load, warn).engine();
}

/** Undefined where nothing is to be kept: Cache Storage takes http addresses only, and may be denied. */
async function openCache(location: FolderLocation, place: ModelPlace, post: (message: FromWorker) => void): Promise<ModelCache | undefined> {
  if (location.cache === "off" || !location.url.startsWith("http")) return undefined;
  const warn = async (error: unknown) => post({ type: "warning", warning: { code: "CACHE_UNAVAILABLE", message: await whyNotKept(error) } });
  try {
    return await ModelCache.open(place, warn);
  } catch (error) {
    await warn(error);
    return undefined;
  }
}

async function whyNotKept(error: unknown): Promise<string> {
  return `The model could not be kept in this browser's storage (${await causeOf(error)}); the next visit downloads it again.`;
}
