/**
 * A model's files, in the type of weights that was asked for. A checkpoint is converted, and the bundle that comes of it is kept in place of the checkpoint's
 * own files; a bundle is right as it is, or refused.
 */

import { RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import type { ConvertOptions } from "../protocol.js";
import { sha256 } from "../storage/hash.js";
import type { NewVersion } from "../storage/model-cache.js";
import { closeAll, type FileSource, gather, gatherHeaders, type OpenWeights } from "./checkpoint-source.js";
import type { Checkpoint, EngineModule, Hooks, MadeBundle } from "./engine.js";
import { isDeath } from "./failure.js";
import type { LoadMeter } from "./load-meter.js";

const DTYPE_HINT = "Leave dtype out to load the bundle as it is, or name the folder of the checkpoint it was made from.";

/** The module did not come, which says nothing of the files. */
class NotReady extends Error {}

export class Preparation<C extends Checkpoint> {
  /** Without `options` files are taken as they are. `ready`: the module is. */
  constructor(
    private readonly module: EngineModule<C>,
    private readonly ready: Promise<unknown>,
    private readonly options: ConvertOptions | undefined,
    private readonly meter: LoadMeter,
    private readonly hooks: Hooks,
  ) {}

  /** Whether a bundle is taken whatever the type of its weights. */
  get takesAnyBundle(): boolean {
    return this.options === undefined;
  }

  /** All files of a source as they are, which is how an earlier load has stored them. */
  taken(source: FileSource): Promise<C> {
    return this.#filled((checkpoint) => gather(checkpoint, source, this.meter).then(() => checkpoint));
  }

  /** All files of a source, converted if need be; what was made goes into the version. */
  gathered(source: FileSource, version?: NewVersion): Promise<C> {
    const { options } = this;
    return options ? this.#prepared(source, options, version) : this.taken(source);
  }

  /** Of weights the headers come first: the rest is read while it is converted, a part at a time. */
  async #prepared(source: FileSource, options: ConvertOptions, version: NewVersion | undefined): Promise<C> {
    let weights: OpenWeights = new Map();
    const checkpoint = await this.#filled(async (checkpoint) => {
      weights = await gatherHeaders(checkpoint, source, this.meter, () => mayKeep(checkpoint, options));
      return checkpoint;
    });
    if (checkpoint.isBundle) return checkpoint;
    try {
      const bundle = await this.#converted(checkpoint, options, weights);
      await source.confirm?.();
      return await this.#filled((checkpoint) => handOver(bundle, checkpoint, version));
    } finally {
      closeAll(weights);
    }
  }

  /** Files that come to nothing make room for those that are fetched in their place. */
  async #filled(fill: (checkpoint: C) => Promise<C>): Promise<C> {
    await this.ready.catch(() => {
      throw new NotReady();
    });
    const checkpoint = new this.module.Checkpoint();
    try {
      return await fill(checkpoint);
    } catch (error) {
      if (!isDeath(error, undefined)) checkpoint.free();
      throw error;
    }
  }

  async #converted(checkpoint: C, options: ConvertOptions, weights: OpenWeights): Promise<MadeBundle> {
    let failure: { error: unknown } | undefined;
    const read = (name: string, start: number, end: number) => {
      const coming = weights.get(name)!.part!(start, end);
      // The engine asks ahead, and may have failed before it waits for what it asked.
      coming.catch((error: unknown) => (failure ??= { error }));
      return coming;
    };
    return this.module.convert(checkpoint, options, this.#conversionHooks(), read).catch((error: unknown) => {
      // The engine only knows that its file did not come.
      throw failure && !isDeath(error, undefined) ? failure.error : error;
    });
  }

  /** While tensors come the phase is the download's: only what is left to do once all are converted is a phase of its own. */
  #conversionHooks(): Hooks {
    const { meter, hooks } = this;
    return {
      ...hooks,
      stage: () => {},
      batch: (done, total) => {
        if (done === total) meter.phase("convert");
        return hooks.batch?.(done, total) ?? true;
      },
    };
  }
}

/** Moves what was made to the engine, and to the storage on its way. */
async function handOver<C extends Checkpoint>(bundle: MadeBundle, checkpoint: C, version: NewVersion | undefined): Promise<C> {
  for (const name of bundle.names()) {
    const bytes = bundle.take(name) as Bytes;
    if (version) await version.keep(name, { sha256: await sha256(bytes), bytes: bytes.length }, bytes);
    checkpoint.add(name, bytes);
    release(bytes);
  }
  return checkpoint;
}

/** Ends a buffer where the browser can: a loop comes to its end, and all of a bundle to lie there twice, before anything is swept up. */
function release({ buffer }: Bytes): void {
  const ending: ArrayBuffer & { transfer?(length: number): ArrayBuffer } = buffer;
  ending.transfer?.(0);
}

function mayKeep(checkpoint: Checkpoint, { dtype }: ConvertOptions): boolean {
  if (checkpoint.isBundle && checkpoint.dtype !== dtype) throw otherDtype(checkpoint.dtype, dtype);
  return checkpoint.isBundle;
}

function otherDtype(found: string | undefined, wanted: string): RerankerError {
  return new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message: `the bundle has ${found} weights, and dtype is ${wanted}`, hint: DTYPE_HINT });
}
