/** What to do about an error of the worker. Kept here, and sent with each error: the page's script stays small, and here it is known what was going on. */

import type { ErrorCode, ErrorData } from "../error.js";
import type { Device } from "../types.js";

const HINTS: Partial<Record<ErrorCode, string>> = {
  CHECKPOINT_INVALID: "Check that the folder holds a whole, undamaged checkpoint.",
  CHECKPOINT_UNSUPPORTED: "Use a checkpoint of an architecture and a size that the README lists.",
  BUNDLE_INVALID: "Convert the checkpoint again, and upload the bundle's folder as a whole.",
  BUNDLE_VERSION: "Use the version of tabrank that the bundle was made for, or convert the checkpoint again.",
  INDEX_INVALID: "Build the index again, and upload its folder as a whole.",
  WEBGPU_UNAVAILABLE: 'Load with device "auto" or "cpu".',
  DEVICE_REJECTED: 'This GPU computes wrong numbers. Load with device "auto" or "cpu".',
  DEVICE_LOST: 'Call again, or load with device "auto" or "cpu".',
  TIMEOUT: 'Call again, or load with device "auto" or "cpu".',
  NON_FINITE: 'Load with device "cpu"; if that fails too, the checkpoint is damaged.',
  NETWORK: "Check the connection, that the server allows this origin (CORS), and that connect-src in the Content-Security-Policy allows the server.",
  HTTP_STATUS: "Check the address of the checkpoint's folder. For a model's id on a hub, owner/name, pass `hub` too.",
  INTEGRITY_FAILED: "Check that the address serves the file itself.",
  OFFLINE_NOT_CACHED: "Load the model, or search the index for the same thing, once while online.",
  CACHE_CORRUPT_OFFLINE: "Load the model once more while online.",
  WASM_BLOCKED_BY_CSP:
    "Add 'wasm-unsafe-eval' to script-src in the Content-Security-Policy of the page, or of the response for worker.js; in an extension, to extension_pages in its manifest.",
};

/** Where an index is searched, or rows are scored that others made. */
const WITHOUT_MODEL: Partial<Record<ErrorCode, string>> = {
  NON_FINITE: "Check the embeddings: whoever made them wrote something else into them.",
  HTTP_STATUS: "Check the address of the index's folder, and whether its server has a fault of its own.",
};

/** The error with the hint of its code, if it has none of its own. `device`: where the model runs, or MaxSim without one, once it is loaded. */
export function withHint(error: ErrorData, device: Device | undefined, hasModel = true): ErrorData {
  const hint = error.hint ?? hintOf(error.code, device, hasModel);
  return { ...error, ...(hint !== undefined && { hint }) };
}

function hintOf(code: ErrorCode, device: Device | undefined, hasModel: boolean): string | undefined {
  if (!hasModel && code in WITHOUT_MODEL) return WITHOUT_MODEL[code];
  if (code === "OUT_OF_MEMORY" && device === undefined) return 'Use a smaller model, or smaller weights: dtype "q8" or "q4".';
  if (code === "NON_FINITE" && device === "cpu") return "The checkpoint is damaged: fetch or convert it again.";
  return HINTS[code];
}
