// Checkpoints of random weights in the shape of models that people load, for what is measured does not depend on the numbers.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { need, OUTPUT } from "../../tests/web/lib/paths.mjs";
import { jina, modernBert } from "./bodies.mjs";
import { pieces } from "./pieces.mjs";

const LARGE = {
  /** jinaai/jina-colbert-v2: 1.1 GB. */
  jina: () => ({
    ...jina({ layers: 24, hidden: 1024, wide: 4096, vocabulary: 250_004, positions: 8_194, dimension: 128 }),
    files: jinaFiles(250_002, 128),
    dtype: "BF16",
  }),
  /** lightonai/GTE-ModernColBERT-v1: 600 MB. */
  gte: () => {
    const attention = Array.from({ length: 22 }, (_, layer) => (layer % 3 === 0 ? "full_attention" : "sliding_attention"));
    return { ...modernBert({ attention, hidden: 768, wide: 1152, vocabulary: 50_370, positions: 8_192 }), files: plainFiles(300), dtype: "F32" };
  },
};

const WEIGHTS = "model.safetensors";
const BYTES = { F32: 4, BF16: 2 };
/** Numbers that are drawn; tensors repeat them from different places on. */
const DRAWN = 1 << 20;
const SPREAD = 0.04;

/** The folder of a large model, which is made unless it is there, and how many numbers its weights are. */
export function largeCheckpoint(name) {
  const folder = join(OUTPUT, "checkpoints", name);
  const model = LARGE[name]();
  if (!existsSync(join(folder, WEIGHTS))) writeCheckpoint(folder, model);
  return { folder, numbers: model.tensors.reduce((sum, [, shape]) => sum + count(shape), 0) };
}

/** Writes a body's configuration and weights, and `files` by their names. */
export function writeCheckpoint(folder, { config, tensors, files, dtype }) {
  mkdirSync(folder, { recursive: true });
  for (const [name, fields] of Object.entries({ ...files, "config.json": config })) writeFileSync(join(folder, name), JSON.stringify(fields));
  writeWeights(join(folder, WEIGHTS), tensors, dtype);
}

/** Files beside config and weights of a model without a head, whose texts are cut to `length` tokens. */
export function plainFiles(length) {
  const files = filesOf("modernbert-wide", ["tokenizer.json", "tokenizer_config.json"]);
  return { ...files, "tokenizer_config.json": { ...files["tokenizer_config.json"], model_max_length: length } };
}

/** With a vocabulary of this many tokens, special ones first and the mask last, the markers behind it, and embeddings of this width. */
function jinaFiles(vocabulary, dim) {
  const files = filesOf("jina", ["tokenizer.json", "tokenizer_config.json", "artifact.metadata"]);
  const { model, added_tokens: added, ...rest } = files["tokenizer.json"];
  const [special, mask] = [model.vocab.slice(0, 4), model.vocab.at(-1)];
  const moved = added.map((token) => ({ ...token, id: token.id < special.length ? token.id : token.id - model.vocab.length + vocabulary }));
  const vocab = [...special, ...pieces(vocabulary - special.length - 1), mask];
  const { added_tokens_decoder: _, ...settings } = files["tokenizer_config.json"];
  const artifact = { ...files["artifact.metadata"], dim };
  return { "artifact.metadata": artifact, "tokenizer_config.json": settings, "tokenizer.json": { ...rest, added_tokens: moved, model: { ...model, vocab } } };
}

function filesOf(fixture, names) {
  const folder = need(`tests/fixtures/${fixture}/checkpoint`, "git checkout tests/fixtures");
  return Object.fromEntries(names.map((name) => [name, JSON.parse(readFileSync(join(folder, name), "utf8"))]));
}

function writeWeights(file, tensors, dtype) {
  let end = 0;
  // In the order in which safetensors writes tensors of one type: by name.
  const placed = tensors.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, shape]) => {
    const start = end;
    end += BYTES[dtype] * count(shape);
    return { name, shape, start, end };
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(placed.map(({ name, shape, start, end }) => [name, { dtype, shape, data_offsets: [start, end] }]))));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const handle = openSync(file, "w");
  for (const part of [length, header]) writeSync(handle, part);
  const drawn = Buffer.from(numbers(dtype).buffer);
  for (const [place, { name, shape, start, end }] of placed.entries()) {
    if (shape.length > 1) writeRepeated(handle, drawn, end - start, (BYTES[dtype] * 7919 * place) % drawn.length);
    else writeSync(handle, Buffer.from(stored(new Float32Array(shape[0]).fill(name.endsWith(".weight") ? 1 : 0), dtype).buffer));
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

function count(shape) {
  return shape.reduce((product, size) => product * size, 1);
}
