/** Starts a worker and waits for its load, which a signal ends at once. */

import type { LoadAnswer, LoadRequest } from "../protocol.js";
import type { Limits, LoadOptions } from "../types.js";
import { notify } from "./notify.js";
import { ProgressMeter } from "./progress-meter.js";
import { startWorker } from "./start-worker.js";
import { WorkerClient } from "./worker-client.js";

export async function openClient(
  load: LoadRequest,
  { queue, silence }: Limits,
  { signal, onProgress, onWarning, workerUrl }: Pick<LoadOptions, "signal" | "onProgress" | "onWarning" | "workerUrl">,
): Promise<{ client: WorkerClient; answer: LoadAnswer }> {
  const meter = new ProgressMeter(onProgress);
  const client = new WorkerClient({
    spawn: () => startWorker(workerUrl),
    load,
    queue,
    silence,
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
    return { client, answer };
  } finally {
    meter.stop();
    signal?.removeEventListener("abort", abort);
  }
}
