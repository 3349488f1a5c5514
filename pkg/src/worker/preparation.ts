/**
 * A model's files, in the type of weights that was asked for. A checkpoint is converted, and the bundle that comes of it is kept in place of the checkpoint's
 * own files; a bundle is right as it is, or refused.
 */

import { RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import type { ConvertOptions } from "../protocol.js";
import type { ModelCache } from "../storage/model-cache.js";
import { type FileSource, gather, type OnBytes, type OpenFile } from "./checkpoint-source.js";
import type { Checkpoint, EngineModule, Hooks, WantedFile } from "./engine.js";
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

  /** All files of a source, converted if need be; what was made goes into the cache. */
  async gathered(source: FileSource, cache?: ModelCache): Promise<C> {
    const checkpoint = new this.module.Checkpoint();
    await gather(checkpoint, source, this.meter, () => this.#mayKeep(checkpoint));
    return this.options && !checkpoint.isBundle ? this.#converted(checkpoint, this.options, cache) : checkpoint;
  }

  /** The bundle that an earlier load made, or undefined where it is not whole or not of this version: then it has to be made again. */
  async made(cache: ModelCache): Promise<C | undefined> {
    if (!this.options) return undefined;
    const checkpoint = new this.module.Checkpoint();
    try {
      await gather(checkpoint, new MadeFiles(cache), this.meter);
      return checkpoint;
    } catch (error) {
      if (isDeath(error, undefined)) throw error;
      return undefined;
    }
  }

  #mayKeep(checkpoint: C): boolean {
    if (!this.options) return true;
    if (checkpoint.isBundle && checkpoint.dtype !== this.options.dtype) throw otherDtype(checkpoint.dtype, this.options.dtype);
    return checkpoint.isBundle;
  }

  async #converted(checkpoint: C, options: ConvertOptions, cache: ModelCache | undefined): Promise<C> {
    const bundle = await this.module.convert(checkpoint, options, this.hooks);
    await cache?.discard();
    for (const name of cache ? bundle.names() : []) await cache?.storeMade(name, bundle.file(name) as Bytes);
    return bundle;
  }
}

/** What a conversion has put in this browser. What is missing or damaged there cannot be had from the server. */
class MadeFiles implements FileSource {
  constructor(private readonly cache: ModelCache) {}

  async open({ name }: WantedFile, onBytes: OnBytes): Promise<OpenFile> {
    const stored = await this.cache.findMade(name);
    if (!stored) throw new Error(`${name} is not stored`);
    const read = async () => {
      const bytes = await stored.read();
      if (!bytes) throw new Error(`${name} is damaged`);
      onBytes(bytes.length, true);
      return bytes;
    };
    return { size: stored.size, read };
  }
}

function otherDtype(found: string | undefined, wanted: string): RerankerError {
  return new RerankerError({ code: "CHECKPOINT_UNSUPPORTED", message: `the bundle has ${found} weights, and dtype is ${wanted}`, hint: DTYPE_HINT });
}
