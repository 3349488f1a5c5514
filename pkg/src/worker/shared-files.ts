/** Keeps the files that the engine takes, for other workers that are to load the same model: what was fetched, converted and checked once is not once more. */

import type { Bytes } from "../files.js";
import type { Checkpoint, EngineModule } from "./engine.js";

export class SharedFiles<C extends Checkpoint> {
  readonly #files = new WeakMap<C, Record<string, Blob>>();

  /** The module, whose checkpoints are watched. */
  watched(module: EngineModule<C>): EngineModule<C> {
    return { ...module, Checkpoint: new Proxy(module.Checkpoint, { construct: (Checkpoint) => this.#watch(new Checkpoint()) }) };
  }

  /** Of a checkpoint that the engine is about to take. */
  of(checkpoint: C): Record<string, Blob> {
    return this.#files.get(checkpoint) ?? {};
  }

  #watch(checkpoint: C): C {
    const files: Record<string, Blob> = {};
    const add = checkpoint.add.bind(checkpoint);
    checkpoint.add = (name, bytes, hash) => {
      add(name, bytes, hash);
      files[name] = new Blob([bytes as Bytes]);
    };
    this.#files.set(checkpoint, files);
    return checkpoint;
  }
}
