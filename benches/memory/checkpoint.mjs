// A checkpoint of random weights in the shape of a large model, for what is measured does not depend on the numbers.
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Bodies that people load: layers, width, width within a layer, rows of the table, positions, and the type of the file's numbers. */
export const SHAPES = {
  // jinaai/jina-colbert-v2: 1.1 GB.
  jina: { layers: 24, hidden: 1024, wide: 4096, vocabulary: 250_004, positions: 8_192, dtype: "BF16" },
  // lightonai/GTE-ModernColBERT-v1, as a BERT of as many bytes: 600 MB.
  gte: { layers: 16, hidden: 768, wide: 3072, vocabulary: 50_368, positions: 8_192, dtype: "F32" },
};

const BYTES = { F32: 4, BF16: 2 };
const HEADS = 64;
/** Numbers that are drawn; tensors repeat them from different places on. */
const DRAWN = 1 << 20;
const SPREAD = 0.04;

/** Writes a plain BERT checkpoint of this shape into `folder`, with the tokenizer of `tokenizer`, unless it is there; and gives the folder. */
export function prepareCheckpoint(name, folder, tokenizer) {
  const shape = SHAPES[name];
  if (existsSync(join(folder, "model.safetensors"))) return folder;
  mkdirSync(folder, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) copyFileSync(join(tokenizer, file), join(folder, file));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config(shape)));
  writeWeights(join(folder, "model.safetensors"), shape);
  return folder;
}

function config({ layers, hidden, wide, vocabulary, positions }) {
  return {
    model_type: "bert",
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: hidden / HEADS,
    intermediate_size: wide,
    hidden_act: "gelu",
    vocab_size: vocabulary,
    max_position_embeddings: positions,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    position_embedding_type: "absolute",
  };
}

/** In the order in which safetensors writes tensors of one type: by name. */
function tensors({ layers, hidden, wide, vocabulary, positions }) {
  const norm = (name) => [[`${name}.LayerNorm.bias`, [hidden]], [`${name}.LayerNorm.weight`, [hidden]]];
  const product = (name, rows, columns) => [[`${name}.bias`, [rows]], [`${name}.weight`, [rows, columns]]];
  const layer = (index) => {
    const name = `encoder.layer.${index}`;
    const attention = ["query", "key", "value"].flatMap((part) => product(`${name}.attention.self.${part}`, hidden, hidden));
    const outputs = [...product(`${name}.attention.output.dense`, hidden, hidden), ...product(`${name}.output.dense`, hidden, wide)];
    return [...attention, ...outputs, ...product(`${name}.intermediate.dense`, wide, hidden), ...norm(`${name}.attention.output`), ...norm(`${name}.output`)];
  };
  const tables = [["word", vocabulary], ["position", positions], ["token_type", 2]].map(([name, rows]) => [`embeddings.${name}_embeddings.weight`, [rows, hidden]]);
  const all = [...tables, ...norm("embeddings"), ...Array.from({ length: layers }, (_, index) => layer(index)).flat()];
  return all.sort(([a], [b]) => (a < b ? -1 : 1));
}

function writeWeights(file, shape) {
  const size = BYTES[shape.dtype];
  let end = 0;
  const placed = tensors(shape).map(([name, dimensions]) => {
    const start = end;
    end += size * dimensions.reduce((product, dimension) => product * dimension, 1);
    return { name, dimensions, start, end };
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(placed.map(({ name, dimensions, start, end }) => [name, { dtype: shape.dtype, shape: dimensions, data_offsets: [start, end] }]))));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const handle = openSync(file, "w");
  for (const part of [length, header]) writeSync(handle, part);
  const drawn = Buffer.from(numbers(shape.dtype).buffer);
  const [ones, zeros] = [1, 0].map((value) => Buffer.from(stored(new Float32Array(shape.hidden).fill(value), shape.dtype).buffer));
  for (const [place, { name, start, end }] of placed.entries()) {
    if (name.endsWith("LayerNorm.weight")) writeSync(handle, ones);
    else if (name.endsWith("LayerNorm.bias")) writeSync(handle, zeros);
    else writeRepeated(handle, drawn, end - start, (size * 7919 * place) % drawn.length);
  }
  closeSync(handle);
}

function writeRepeated(handle, drawn, length, from) {
  for (let left = length, at = from; left > 0; at = 0) {
    const part = drawn.subarray(at, at + left);
    writeSync(handle, part);
    left -= part.length;
  }
}

/** Evenly spread, always the same. */
function numbers(dtype) {
  let state = 1;
  const next = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32 - 0.5;
  return stored(Float32Array.from({ length: DRAWN }, () => 2 * SPREAD * next()), dtype);
}

function stored(values, dtype) {
  return dtype === "F32" ? values : new Uint16Array(values.buffer).filter((_, place) => place % 2 === 1);
}
