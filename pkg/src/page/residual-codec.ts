/** Codecs of residuals: what a caller holds of one, and how a worker comes to have it. */

import type { CodecAnswer } from "../protocol.js";
import type { TrainedCodec } from "../vectors.js";
import { bytesLying, copied } from "./embeddings.js";
import { invalidKind, isA, itemsOf, read } from "./input.js";
import { reworded } from "./names.js";
import type { Client } from "./worker-client.js";

const MOST_CODECS = 16;

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

/** The files of codecs that a caller passes. */
export function codecFiles(codecs: readonly TrainedCodec[]): Uint8Array[] {
  return itemsOf(codecs, "codecs", MOST_CODECS, (codec, place) => {
    const door = typeof codec === "object" && codec !== null ? read(codec as ResidualCodec, "own", place) : undefined;
    if (door === undefined || !doors.has(door)) throw invalidKind(codec, place, "a ResidualCodec");
    return door();
  });
}

/** What each worker said of the files that it was given. */
const answers = new WeakMap<Client, Map<Uint8Array, Promise<CodecAnswer>>>();

/** Gives the worker those that it does not have. */
export function registered(client: Client, files: readonly Uint8Array[]): Promise<CodecAnswer[]> {
  const known = answers.get(client) ?? new Map<Uint8Array, Promise<CodecAnswer>>();
  answers.set(client, known);
  return Promise.all(files.map((file, index) => answerFor(client, known, file).catch((error: unknown) => Promise.reject(reworded(error, (message) => message.replace("the codec", `codecs[${index}]`))))));
}

function answerFor(client: Client, known: Map<Uint8Array, Promise<CodecAnswer>>, file: Uint8Array): Promise<CodecAnswer> {
  const there = known.get(file);
  if (there) return there;
  const answer = client.call("codec", { file }, {});
  known.set(file, answer);
  answer.catch(() => known.delete(file));
  return answer;
}
