/** The codecs of a call: their files, and how a worker comes to have them. */

import type { CodecAnswer } from "../protocol.js";
import type { TrainedCodec } from "../vectors.js";
import { itemsOf } from "./input.js";
import { reworded } from "./names.js";
import { codecFile } from "./residual-codec.js";
import type { Client } from "./worker-client.js";

const MOST_CODECS = 16;

/** The files of codecs that a caller passes. */
export function codecFiles(codecs: readonly TrainedCodec[]): Uint8Array[] {
  return itemsOf(codecs, "codecs", MOST_CODECS, codecFile);
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
