/** Whether a call's answer can be held at all. One that cannot is refused before anything is sent, with the number that would fit. */

import { RerankerError } from "../error.js";
import type { EncodeAnswer, Windows } from "../protocol.js";
import type { ModelInfo, Pooling, TokenEmbeddings } from "../types.js";

/** Bytes of the longest array that every 64-bit browser gives: Chromium's allocator maps no longer piece (tried with 148); Firefox and Safari give more. */
const LONGEST_ARRAY = 2 ** 31 - 2 ** 21;

/** A match is three objects of some 150 bytes, in the worker and on the page, and takes microseconds to cross: a million of them are 300 MB and seconds. */
const MOST_MATCHES = 1_000_000;

/** Tokens that no UTF-16 unit of a text stands for: those at its ends, a marker, a prompt. */
const ADDED = 32;

const VALUE_BYTES = Float32Array.BYTES_PER_ELEMENT;

/** A row for each token, or for each text, all in one array. */
export function requireRoomForEmbeddings(texts: readonly string[], pooling: Pooling, { dimension, hiddenSize, documentLength }: ModelInfo, windows?: Windows): void {
  const mostOfText = documentLength * (windows?.maxWindows ?? 1);
  const rowBytes = (pooling === "mean" || pooling === "cls" ? hiddenSize : dimension) * VALUE_BYTES;
  let total = 0;
  let longest = 0;
  for (const text of texts) {
    const bytes = rowBytes * (pooling === "none" ? mostTokens(text, mostOfText) : 1);
    total += bytes;
    longest = Math.max(longest, bytes);
  }
  if (total <= LONGEST_ARRAY) return;
  const fitting = count(Math.floor(LONGEST_ARRAY / longest));
  const message = `the embeddings of ${count(texts.length)} documents may take ${gigabytes(total)}, and an array holds ${gigabytes(LONGEST_ARRAY)}; ${fitting} documents of this length fit`;
  const shorter = pooling !== "none" ? "" : ', or use pooling "mean"';
  throw new RerankerError({ code: "INPUT_TOO_LARGE", message, hint: `Encode at most ${fitting} of these documents in one call${shorter}.` });
}

/** An object for each query token of each result. */
export function requireRoomForExplanations(query: string | Float32Array, results: number, model: ModelInfo): void {
  const tokens = queryTokens(query, model);
  if (results * tokens <= MOST_MATCHES) return;
  const fitting = count(Math.floor(MOST_MATCHES / tokens));
  const message = `explanations of ${count(results)} results may hold ${count(results * tokens)} matches; a call gives at most ${count(MOST_MATCHES)}`;
  throw new RerankerError({ code: "INPUT_TOO_LARGE", message, hint: `Pass a topK of at most ${fitting}, or leave explain out.` });
}

function queryTokens(query: string | Float32Array, { dimension, queryLength, queryExpansion }: ModelInfo): number {
  if (typeof query !== "string") return query.length / dimension;
  return queryExpansion ? queryLength : mostTokens(query, queryLength);
}

/** All rows in one array. Parts are let go one by one, so that the engine of JavaScript may free them. */
export function joined({ parts, ...rest }: EncodeAnswer): TokenEmbeddings {
  const values = allocate(parts, rest.lengths.length);
  let end = 0;
  for (let part = parts.shift(); part; part = parts.shift()) {
    values.set(part, end);
    end += part.length;
  }
  return { values, ...rest };
}

function allocate(parts: readonly Float32Array[], texts: number): Float32Array {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  try {
    return new Float32Array(size);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    // There was room for the parts, so for half of them and their array there is.
    const fitting = Math.floor(texts / 2);
    const hint = fitting > 0 ? { hint: `Encode at most ${count(fitting)} of these documents in one call, or use pooling "mean".` } : {};
    throw new RerankerError({ code: "OUT_OF_MEMORY", message: `the page got no ${gigabytes(size * VALUE_BYTES)} for the embeddings`, ...hint }, { cause });
  }
}

/** Tokenizers make hardly ever more than one token of a UTF-16 unit. */
function mostTokens(text: string, limit: number): number {
  return Math.min(limit, text.length + ADDED);
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
