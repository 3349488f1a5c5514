/** Brings a model into this browser's storage, for a load to come. */

import type { LoadRequest } from "../protocol.js";
import { within } from "../patience.js";
import { persistence } from "../storage/persistence.js";
import { storedBytes } from "../storage/stored-models.js";
import type { ModelPlace } from "../storage/stored-models.js";
import type { Preloaded, PreloadOptions, Progress } from "../types.js";
import { checkLimits } from "./input.js";
import { notify } from "./notify.js";
import { openClient } from "./open-client.js";
import { checkPreload } from "./options.js";
import { engineFor, modelLocation, originOf, placeOfModel } from "./places.js";
import { hasPageSide } from "./probe.js";

/** Milliseconds that the browser's answer is waited for. */
const PATIENCE = 1_000;

export async function preloadModel(source: string | URL, options: PreloadOptions): Promise<Preloaded> {
  const checked = checkPreload(options);
  checked.signal?.throwIfAborted();
  const place = placeOfModel(source, checked);
  const asked = persistence(checked.persist ?? false);
  const model = await stored(source, checked, place);
  const side = checked.pages && !checked.dtype && (await hasPageSide(place)) ? await stored(source, checked, { ...place, part: "pages" }) : 0;
  const bytes = model === undefined || side === undefined ? undefined : model + side;
  const persisted = await within(PATIENCE, asked, () => undefined).catch(() => false);
  return { stored: bytes !== undefined, bytes: bytes ?? 0, persisted };
}

/** Bytes that are stored of a model, or of its page side, which is fetched unless it is there. */
async function stored(source: string | URL, options: PreloadOptions, place: ModelPlace): Promise<number | undefined> {
  const bytesStored = () => storedBytes(place).catch(() => undefined);
  const before = await bytesStored();
  if (before === undefined) await fetchModel(source, options, place.part);
  else notify(options.onProgress, ready(before));
  return before ?? (await bytesStored());
}

/** By a worker that makes no engine of it, and ends. */
async function fetchModel(source: string | URL, options: PreloadOptions, part: ModelPlace["part"]): Promise<void> {
  const { dtype } = options;
  const convert = dtype && { dtype, ...originOf(source, options) };
  const load: LoadRequest = { ...engineFor("cpu", options), checkpoint: { ...modelLocation(source, options), ...(part && { part }) }, device: "cpu", convert, resume: false, ...(convert && { withPages: true }), storeOnly: true };
  const { client } = await openClient(load, checkLimits(options.limits), options);
  client.stop(undefined);
}

function ready(bytes: number): Progress {
  return { phase: "ready", loaded: bytes, total: bytes, progress: 1, fromCache: true };
}
