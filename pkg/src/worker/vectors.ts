/** Embeddings that came along with a call, and the codecs that their worker was given for them: each stays for as long as the worker lives. */

import type { CodecAnswer, CodecRequest, VectorGroup } from "../protocol.js";
import type { DocumentVectors, EngineModule, ResidualCodecHandle } from "./engine.js";

export class Vectors {
  readonly #module: Pick<EngineModule, "DocumentVectors" | "ResidualCodecHandle">;
  readonly #codecs = new Map<string, ResidualCodecHandle>();

  constructor(module: Pick<EngineModule, "DocumentVectors" | "ResidualCodecHandle">) {
    this.#module = module;
  }

  /** One that is there already stays. */
  addCodec({ file }: CodecRequest): CodecAnswer {
    const codec = new this.#module.ResidualCodecHandle(file);
    const { info } = codec;
    if (this.#codecs.has(info.id)) codec.free();
    else this.#codecs.set(info.id, codec);
    return info;
  }

  /** Those of a call. */
  of(groups: readonly VectorGroup[]): DocumentVectors {
    const vectors = new this.#module.DocumentVectors();
    try {
      for (const group of groups) this.#add(vectors, group);
      return vectors;
    } catch (error) {
      vectors.free();
      throw error;
    }
  }

  #add(vectors: DocumentVectors, { codec, dimension, lengths, places, codes, scales, residuals, codecId }: VectorGroup): void {
    const tables = codecId === undefined ? undefined : this.#codecs.get(codecId);
    if (tables && residuals) vectors.addResidual(tables, lengths, places, codes, residuals);
    else vectors.add(codec, dimension, lengths, places, codes, scales);
  }
}
