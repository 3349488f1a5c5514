/** Brings a model into this browser's storage, for a load to come. */

import type { LoadRequest } from "../protocol.js";
import { within } from "../patience.js";
import { persistence } from "../storage/persistence.js";
import { storedBytes } from "../storage/stored-models.js";
import type { Preloaded, PreloadOptions, Progress } from "../types.js";
import { checkLimits } from "./input.js";
import { notify } from "./notify.js";
import { openClient } from "./open-client.js";
import { checkPreload } from "./options.js";
import { engineFor, modelLocation, originOf, placeOfModel } from "./places.js";

/** Milliseconds that the browser's answer is waited for. */
const PATIENCE = 1_000;

export async function preloadModel(source: string | URL, options: PreloadOptions): Promise<Preloaded> {
  const checked = checkPreload(options);
  checked.signal?.throwIfAborted();
  const place = placeOfModel(source, checked);
  const asked = persistence(checked.persist ?? false);
  const bytesStored = () => storedBytes(place).catch(() => undefined);
  const before = await bytesStored();
  if (before === undefined) await fetchModel(source, checked);
  else notify(checked.onProgress, ready(before));
  const bytes = before ?? (await bytesStored());
  const persisted = await within(PATIENCE, asked, () => undefined).catch(() => false);
  return { stored: bytes !== undefined, bytes: bytes ?? 0, persisted };
}

/** By a worker that makes no engine of it, and ends. */
async function fetchModel(source: string | URL, options: PreloadOptions): Promise<void> {
  const { dtype } = options;
  const convert = dtype && { dtype, ...originOf(source, options) };
  const load: LoadRequest = { ...engineFor("cpu", options), checkpoint: modelLocation(source, options), device: "cpu", convert, resume: false, storeOnly: true };
  const { client } = await openClient(load, checkLimits(options.limits), options);
  client.stop(undefined);
}

function ready(bytes: number): Progress {
  return { phase: "ready", loaded: bytes, total: bytes, progress: 1, fromCache: true };
}
