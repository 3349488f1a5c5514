/** The page's door to the engine's check of itself, without a model. */

import type { CheckOptions, OperationDifference } from "../types.js";
import { rest } from "./rest.js";
import { requireWorkers } from "./surroundings.js";

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
  const { runCheck } = await rest(options);
  return runCheck(options);
}
