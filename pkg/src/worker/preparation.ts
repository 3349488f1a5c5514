/**
 * A model's files, in the type of weights that was asked for. A checkpoint is converted, and the bundle that comes of it is kept in place of the checkpoint's
 * own files; a bundle is right as it is, or refused.
 */

import { RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import type { ConvertOptions } from "../protocol.js";
import { sha256 } from "../storage/hash.js";
import type { NewVersion } from "../storage/model-cache.js";
import { type FileSource, gather } from "./checkpoint-source.js";
import type { Checkpoint, EngineModule, Hooks } from "./engine.js";
import { isDeath } from "./failure.js";
import type { LoadMeter } from "./load-meter.js";

const DTYPE_HINT = "Leave dtype out to load the bundle as it is, or name the folder of the checkpoint it was made from.";

export class Preparation<C extends Checkpoint> {
  /** Without `options` files are taken as they are. */
  constructor(
    private readonly module: EngineModule<C>,
    private readonly options: ConvertOptions | undefined,
    private readonly meter: LoadMeter,
    private readonly hooks: Hooks,
  ) {}

  /** All files of a source as they are, which is how an earlier load has stored them. */
  taken(source: FileSource): Promise<C> {
    return this.#filled(source, () => true);
  }

  /** All files of a source, converted if need be; what was made goes into the version. */
  async gathered(source: FileSource, version?: NewVersion): Promise<C> {
    const checkpoint = await this.#filled(source, (checkpoint) => this.#mayKeep(checkpoint));
    return this.options && !checkpoint.isBundle ? this.#converted(checkpoint, this.options, version) : checkpoint;
  }

  /** Files that come to nothing make room for those that are fetched in their place. */
  async #filled(source: FileSource, mayKeep: (checkpoint: C) => boolean): Promise<C> {
    const checkpoint = new this.module.Checkpoint();
    try {
      await gather(checkpoint, source, this.meter, () => mayKeep(checkpoint));
      return checkpoint;
    } catch (error) {
      if (!isDeath(error, undefined)) checkpoint.free();
      throw error;
    }
  }

  #mayKeep(checkpoint: C): boolean {
    if (!this.options) return true;
    if (checkpoint.isBundle && checkpoint.dtype !== this.options.dtype) throw otherDtype(checkpoint.dtype, this.options.dtype);
    return checkpoint.isBundle;
  }

  async #converted(checkpoint: C, options: ConvertOptions, version: NewVersion | undefined): Promise<C> {
    const bundle = await this.module.convert(checkpoint, options, this.hooks);
    for (const name of version ? bundle.names() : []) {
      const bytes = bundle.file(name) as Bytes;
      await version?.keep(name, { sha256: await sha256(bytes), bytes: bytes.length }, bytes);
    }
    return bundle;
  }
}

function otherDtype(found: string | undefined, wanted: string): RerankerError {
  return new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message: `the bundle has ${found} weights, and dtype is ${wanted}`, hint: DTYPE_HINT });
}
