/** A load as the worker does it: compile, gather the checkpoint's files, hand them to the engine, and keep them in this browser once it has accepted them. */

import { type FileSource, gather, GivenFiles } from "./checkpoint-source.js";
import type { Checkpoint, Engine, EngineModule } from "./engine.js";
import { RerankerError } from "./error.js";
import { FolderFiles } from "./folder-files.js";
import { gpuUnavailable } from "./gpu.js";
import { LoadMeter } from "./load-meter.js";
import { ModelCache } from "./model-cache.js";
import type { FolderLocation, FromWorker, LoadRequest } from "./protocol.js";
import { nextTask } from "./task.js";
import { compileModule } from "./wasm-module.js";

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
  return fromSource(request, post, async (source) => {
    const checkpoint = new module.Checkpoint();
    await gather(checkpoint, source, meter);
    if (request.device !== "cpu" && unavailable === undefined) post({ type: "trying-webgpu" });
    return module.Engine.load(checkpoint, { device: request.device, ...(unavailable !== undefined && { gpuUnavailable: unavailable }) }, hooks(meter));
  });
}

async function start(module: EngineModule, wasm: string | WebAssembly.Module, post: (message: FromWorker) => void): Promise<void> {
  const compiled = typeof wasm === "string" ? await compileModule(wasm) : wasm;
  if (typeof wasm === "string") post({ type: "compiled", module: compiled });
  await module.init({ module_or_path: compiled });
}

function hooks(meter: LoadMeter) {
  return {
    stage(name: string) {
      if (name === "load" || name === "check") meter.phase(name);
    },
    async batch() {
      await nextTask();
      return true;
    },
  };
}

type LoadFrom = (source: FileSource) => Promise<Engine>;

async function fromSource(request: LoadRequest, post: (message: FromWorker) => void, load: LoadFrom): Promise<Engine> {
  const { checkpoint } = request;
  if (checkpoint.kind === "files") return load(new GivenFiles(checkpoint.files));
  const cache = await openCache(checkpoint, post);
  if (!cache) return load(new FolderFiles(checkpoint, undefined, false));
  const mayUse = checkpoint.cache === "use";
  if (mayUse && (await cache.isAccepted())) return keeping(cache, load(new FolderFiles(checkpoint, cache, true)));
  return oneTabAtATime(cache.key, async () => {
    const useStored = mayUse && (request.resume || (await cache.isAccepted()));
    if (!useStored) await cache.discard();
    return keeping(cache, load(new FolderFiles(checkpoint, cache, useStored)));
  });
}

/** Undefined where nothing is to be kept: Cache Storage takes http addresses only, and may be denied. */
async function openCache(location: FolderLocation, post: (message: FromWorker) => void): Promise<ModelCache | undefined> {
  if (location.cache === "off" || !location.url.startsWith("http")) return undefined;
  const warn = async (error: unknown) => post({ type: "warning", warning: { code: "CACHE_UNAVAILABLE", message: await whyNotKept(error) } });
  try {
    return await ModelCache.open(location.url, location.revision, (error) => void warn(error));
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

/** A dead instance proves nothing about the files: the worker that comes next goes on with them. */
async function keeping(cache: ModelCache, loading: Promise<Engine>): Promise<Engine> {
  try {
    const engine = await loading;
    await cache.accept();
    return engine;
  } catch (error) {
    const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
    const isRefused = code === "CHECKPOINT_INVALID" || code === "CHECKPOINT_UNSUPPORTED";
    if (code === "DEVICE_REJECTED") await cache.accept();
    else if (isRefused || !(error instanceof WebAssembly.RuntimeError || (await cache.isAccepted()))) await cache.discard();
    throw error;
  }
}
