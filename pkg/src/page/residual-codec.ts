/** What a caller holds of a codec of residuals. */

import type { TrainedCodec } from "../vectors.js";
import { bytesLying, copied } from "./copies.js";
import { invalidKind, isA, read } from "./invalid.js";

/** The doors that were made here, as a Reranker's. */
const doors = new WeakSet<() => Uint8Array>();

/**
 * The centroids and buckets that embeddings of the codec `residual` are scored with, as `tabrank codec train` writes them. It crosses to a worker with the first call
 * that needs it, and again to one that takes over.
 *
 * @example
 * const codec = ResidualCodec.from(await (await fetch("/models/codec.safetensors")).arrayBuffer());
 * const { results } = await reranker.rerank(query, hits, { codecs: [codec] });
 */
export class ResidualCodec implements TrainedCodec {
  readonly bytes: number;
  /** @internal */
  readonly own: () => Uint8Array;

  private constructor(file: Uint8Array) {
    this.own = () => file;
    doors.add(this.own);
    this.bytes = file.length;
  }

  /** Copies the file's bytes; what they hold is seen by the worker. */
  static from(bytes: ArrayBuffer | Uint8Array): ResidualCodec {
    const view = isA(bytes, ArrayBuffer) ? bytesLying(bytes, "the codec") : bytes;
    if (!isA(view, Uint8Array)) throw invalidKind(view, "the codec", "an ArrayBuffer or a Uint8Array");
    return new ResidualCodec(copied(view, Uint8Array, "the codec"));
  }
}

/** @internal Of a codec that a caller passes. */
export function codecFile(codec: TrainedCodec, place: string): Uint8Array {
  const door = typeof codec === "object" && codec !== null ? read(codec as ResidualCodec, "own", place) : undefined;
  if (door === undefined || !doors.has(door)) throw invalidKind(codec, place, "a ResidualCodec");
  return door();
}
