/** The page's door to the engine's check of itself, without a model. */

import { RerankerError } from "../error.js";
import type { CheckOptions, OperationDifference } from "../types.js";
import { checkLimits } from "./input.js";
import { openClient } from "./open-client.js";
import { checkCheck } from "./options.js";
import { engineFor } from "./places.js";
import { requireWorkers } from "./start-worker.js";

/** On the CPU the check is one piece of work, during which the worker gives no sign of life. */
const LIMITS = checkLimits({ silence: 120_000 });

/**
 * Holds every operation of a device against its definition, over random inputs of awkward shapes, in a worker that loads no model and ends with the check. For bug
 * reports: an operation is wrong where not `relative <= allowed`. On WebGPU it takes seconds, on an adapter in software up to a minute.
 *
 * @example
 * const found = await checkOperations({ device: "webgpu" });
 * const wrong = found.filter(({ relative, allowed }) => !(relative <= allowed));
 */
export async function checkOperations(options: CheckOptions = {}): Promise<OperationDifference[]> {
  requireWorkers();
  const { device = "cpu", seed = 0, signal, ...checked } = checkCheck(options);
  signal?.throwIfAborted();
  const load = { ...engineFor(device, checked), checkpoint: undefined, device, convert: undefined, resume: false } as const;
  const { client } = await openClient(load, LIMITS, { ...checked, ...(signal && { signal }) });
  try {
    return await client.call("checkOperations", { device, seed }, { signal });
  } finally {
    client.stop(new RerankerError({ code: "DISPOSED", message: "the check has ended" }));
  }
}
