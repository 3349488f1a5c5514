/** Starts a worker and waits for its load, which a signal ends at once. */

import type { LoadAnswer, LoadRequest } from "../protocol.js";
import type { AdapterName } from "../storage/hardware-notes.js";
import type { Limits, LoadOptions, Warning } from "../types.js";
import { notify } from "./notify.js";
import { ProgressMeter } from "./progress-meter.js";
import { startWorker } from "./start-worker.js";
import { WorkerClient } from "./worker-client.js";

export interface Opened {
  client: WorkerClient;
  answer: LoadAnswer;
  /** Of a load in `auto` by an engine of the CPU alone: resolves once there is a GPU to try. */
  gpu: Promise<AdapterName>;
  /** A worker beside it that is to load this. What it warns of is left out where nobody listens: the first one has said it. */
  another(load: LoadRequest, onWarning?: (warning: Warning) => void): WorkerClient;
}

export async function openClient(
  load: LoadRequest,
  { queue, silence }: Limits,
  { signal, onProgress, onWarning, workerUrl }: Pick<LoadOptions, "signal" | "onProgress" | "onWarning" | "workerUrl">,
): Promise<Opened> {
  const meter = new ProgressMeter(onProgress);
  const setup = { spawn: () => startWorker(workerUrl), queue, silence };
  let found: (adapter: AdapterName) => void;
  const gpu = new Promise<AdapterName>((resolve) => (found = resolve));
  const client = new WorkerClient({
    ...setup,
    load,
    onGpu: (gpu) => (gpu.unavailable === undefined ? found(gpu.adapter) : client.warn({ code: "WEBGPU_FALLBACK", message: `WebGPU is not available: ${gpu.unavailable}` })),
    onProgress: (progress) => meter.report(progress),
    onWarning: (warning) => notify(onWarning, warning),
  });
  const abort = () => client.stop(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    // The caller's own code ran since the first look, in getters, and runs once more when it hears that all is ready.
    signal?.throwIfAborted();
    const answer = await client.load();
    meter.ready();
    signal?.throwIfAborted();
    return { client, answer, gpu, another: (load, onWarning = () => {}) => new WorkerClient({ ...setup, load, onProgress: () => {}, onWarning }) };
  } finally {
    meter.stop();
    signal?.removeEventListener("abort", abort);
  }
}
