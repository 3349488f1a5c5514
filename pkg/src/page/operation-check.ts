/** Runs the engine's check of itself. */

import { RerankerError } from "../error.js";
import type { CheckOptions, OperationDifference } from "../types.js";
import { checkLimits } from "./input.js";
import { openClient } from "./open-client.js";
import { checkCheck } from "./options.js";
import { engineFor } from "./places.js";

/** On the CPU the check is one piece of work, during which the worker gives no sign of life. */
const LIMITS = checkLimits({ silence: 120_000 });

export async function runCheck(options: CheckOptions): Promise<OperationDifference[]> {
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
