// Which paragraphs are candidates? A search by one vector for each text, over vectors made beforehand.
import { failure } from "./problem.ts";
import type { Candidate, Example, Paragraph } from "./state.ts";

export interface Tensor {
  values: Float32Array;
  shape: number[];
}

export interface Corpus {
  paragraphs: Paragraph[];
  /** One row for each paragraph, L2-normalised. */
  vectors: Tensor;
  examples: Example[];
}

const MISMATCH_HINT =
  "Questions of your own need vectors that were made with the model that is loaded: make a data folder with it, and name that with #data=. The questions above bring their own.";

/** Reads one f32 tensor of a safetensors file: u64 length of the header, JSON header, data. */
export function readTensor(file: ArrayBuffer, name: string): Tensor {
  if (file.byteLength < 8) throw failure("DATA_INVALID", "The vector file is shorter than its header.");
  const headerLength = Number(new DataView(file).getBigUint64(0, true));
  if (headerLength > file.byteLength - 8) throw failure("DATA_INVALID", "The vector file is not in safetensors form.");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, headerLength))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] } | undefined
  >;
  const entry = header[name];
  if (entry?.dtype !== "F32") throw failure("DATA_INVALID", `The vector file has no f32 tensor “${name}”.`);
  const start = 8 + headerLength;
  const [from, to] = entry.data_offsets;
  const size = entry.shape.reduce((product, side) => product * side, 1);
  if (to - from !== size * 4 || start + to > file.byteLength) {
    throw failure("DATA_INVALID", `The tensor “${name}” does not fill its place in the vector file.`);
  }
  // The slice starts at any byte, a Float32Array only at multiples of four.
  return { values: new Float32Array(file.slice(start + from, start + to)), shape: entry.shape };
}

/** The `count` rows nearest to the vector by cosine, best first, ties by index. All vectors have length one. */
export function nearest(vectors: Tensor, vector: Float32Array, count: number): { index: number; cosine: number }[] {
  const [rows = 0, width = 0] = vectors.shape;
  if (rows > 0 && vector.length !== width) {
    const message = `The stored vectors have ${width} dimensions, the question's has ${vector.length}.`;
    throw failure("DATA_MISMATCH", message, MISMATCH_HINT);
  }
  const hits = [];
  for (let index = 0; index < rows; index++) {
    let cosine = 0;
    for (let i = 0; i < width; i++) cosine += vectors.values[index * width + i]! * vector[i]!;
    hits.push({ index, cosine });
  }
  return hits.sort((a, b) => b.cosine - a.cosine || a.index - b.index).slice(0, count);
}

/** What a conversion of the weights leaves of a vector, as its cosine, and vectors of another model have not by chance. */
const SAME_MODEL = 0.8;

/** Refuses a model that gives a text another vector than the one that made the data folder: both may be as wide. */
export function requireSameModel(stored: Float32Array, found: Float32Array): void {
  const [hit] = nearest({ values: stored, shape: [1, stored.length] }, found, 1);
  if (hit!.cosine >= SAME_MODEL) return;
  throw failure("DATA_MISMATCH", "The stored vectors are those of another model.", MISMATCH_HINT);
}

export function candidatesOf(corpus: Corpus, vector: Float32Array, count: number): Candidate[] {
  return nearest(corpus.vectors, vector, count).map(({ index, cosine }, place) => ({
    paragraph: corpus.paragraphs[index]!,
    rank: place + 1,
    score: cosine,
  }));
}
