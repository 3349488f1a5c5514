/** A load as the worker does it: compile, prepare the model's files, hand them to the engine, and keep them in this browser once it has accepted them. */

import { RerankerError } from "../error.js";
import type { FolderLocation, FromWorker, LoadRequest } from "../protocol.js";
import { ModelCache, type ModelPlace } from "../storage/model-cache.js";
import { GivenFiles } from "./checkpoint-source.js";
import type { Checkpoint, Engine, EngineModule, Hooks } from "./engine.js";
import { codeOf } from "./failure.js";
import { FolderFiles } from "./folder-files.js";
import { gpuUnavailable } from "./gpu.js";
import { LoadMeter } from "./load-meter.js";
import { Preparation } from "./preparation.js";
import { EventLoop } from "./task.js";
import { compileModule } from "./wasm-module.js";

/** Failures that say that the files are no good. */
const REFUSALS = ["CHECKPOINT_INVALID", "CHECKPOINT_UNSUPPORTED", "BUNDLE_INVALID", "BUNDLE_VERSION"];

/** Failures that say nothing against the files that have come. */
const INTERRUPTIONS = ["NETWORK", "HTTP_STATUS", "OFFLINE_NOT_CACHED"];

export async function loadEngine<C extends Checkpoint>(
  module: EngineModule<C>,
  request: LoadRequest,
  post: (message: FromWorker) => void,
  onPanic: (text: string) => void,
): Promise<Engine> {
  const meter = new LoadMeter((progress) => post({ type: "progress", progress }));
  meter.phase("compile");
  const [, unavailable] = await Promise.all([start(module, request.wasm, post), request.device === "cpu" ? undefined : gpuUnavailable(request.device)]);
  module.onPanic(onPanic);
  if (unavailable !== undefined && request.device === "webgpu") throw new RerankerError({ code: "WEBGPU_UNAVAILABLE", message: unavailable });
  meter.phase("download");
  const preparation = new Preparation(module, request.convert, meter, hooks(meter));
  return fromPlace(request, post, preparation, async (checkpoint) => {
    if (request.device !== "cpu" && unavailable === undefined) post({ type: "trying-webgpu" });
    return module.Engine.load(checkpoint, { device: request.device, ...(unavailable !== undefined && { gpuUnavailable: unavailable }) }, hooks(meter));
  });
}

async function start(module: EngineModule, wasm: string | WebAssembly.Module, post: (message: FromWorker) => void): Promise<void> {
  const compiled = typeof wasm === "string" ? await compileModule(wasm) : wasm;
  if (typeof wasm === "string") post({ type: "compiled", module: compiled });
  await module.init({ module_or_path: compiled });
}

/** An aborted load ends with its worker, so no hook stops one: the event loop only gets its turns, for what the GPU has to tell. */
function hooks(meter: LoadMeter): Hooks {
  const eventLoop = new EventLoop();
  const goesOn = () => eventLoop.turn()?.then(() => true) ?? true;
  return {
    stage(name) {
      if (name === "convert" || name === "load" || name === "check") meter.phase(name);
    },
    batch: goesOn,
    pause: goesOn,
  };
}

async function fromPlace<C extends Checkpoint>(
  request: LoadRequest,
  post: (message: FromWorker) => void,
  preparation: Preparation<C>,
  load: (checkpoint: C) => Promise<Engine>,
): Promise<Engine> {
  const { checkpoint: location, convert, resume } = request;
  if (location.kind === "files") return load(await preparation.gathered(new GivenFiles(location.files)));
  const cache = await openCache(location, { ...location, dtype: convert?.dtype }, post);
  if (!cache) return load(await preparation.gathered(new FolderFiles(location, undefined, false)));
  const mayUse = location.cache === "use";
  const gathered = (useStored: boolean) => preparation.gathered(new FolderFiles(location, cache, useStored), cache);
  const stored = async () => (await preparation.made(cache)) ?? gathered(true);
  if (mayUse && (await cache.isAccepted())) return keeping(cache, stored().then(load));
  return oneTabAtATime(cache.key, async () => {
    const useStored = mayUse && (resume || (await cache.isAccepted()));
    if (useStored) return keeping(cache, stored().then(load));
    if (!mayUse || !(await cache.holdsBundle())) await cache.discard();
    return keeping(cache, gathered(false).then(load));
  });
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
  const estimate = await navigator.storage?.estimate().catch(() => undefined);
  const megabytes = (bytes: number | undefined) => Math.round((bytes ?? 0) / 1e6).toLocaleString("en");
  const room = estimate ? `; ${megabytes(estimate.usage)} of ${megabytes(estimate.quota)} MB in use` : "";
  const name = error instanceof Error ? error.name : "unknown cause";
  return `The model could not be kept in this browser's storage (${name}${room}); the next visit downloads it again.`;
}

/** So that of several tabs one downloads and the others read what it stored. */
function oneTabAtATime(key: string, task: () => Promise<Engine>): Promise<Engine> {
  return navigator.locks ? navigator.locks.request(`tabrank:${key}`, task) : task();
}

/** A dead instance proves nothing about the files: the worker that comes next goes on with them. So does the load after an interruption with those it can check. */
async function keeping(cache: ModelCache, loading: Promise<Engine>): Promise<Engine> {
  try {
    const engine = await loading;
    await cache.accept();
    return engine;
  } catch (error) {
    const code = codeOf(error) ?? "";
    if (code === "DEVICE_REJECTED") await cache.accept();
    else if (REFUSALS.includes(code) || !(await isOfUse(cache, error, code))) await cache.discard();
    throw error;
  }
}

async function isOfUse(cache: ModelCache, error: unknown, code: string): Promise<boolean> {
  if (error instanceof WebAssembly.RuntimeError || (await cache.isAccepted())) return true;
  return INTERRUPTIONS.includes(code) && cache.holdsBundle();
}
