// Makes a collection without texts: unit vectors that lie as a model's do, of which some words are everybody's and most are those of a document's topic.
import { createWriteStream, writeFileSync } from "node:fs";
import { once } from "node:events";

export const WIDTH = 96;
export const TOKENS = 60;

const COMMON = 400;
const WORDS = 60;
/** Documents of a topic. */
const OF_TOPIC = 50;
/** Documents that are written at a time. */
const PIECE = 500;

/** Numbers of the normal distribution, drawn once: rows begin anywhere in them. */
class Noise {
  #table = new Float32Array(1 << 20);
  #state;

  constructor(seed) {
    this.#state = seed;
    for (let at = 0; at < this.#table.length; at++) {
      this.#table[at] = Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
    }
  }

  /** From 0 to below 1 (mulberry32). */
  uniform() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(count) {
    return Math.floor(this.uniform() * count);
  }

  row() {
    const start = this.below(this.#table.length - WIDTH);
    return this.#table.subarray(start, start + WIDTH);
  }

  /** Of words, the first of which come most often. */
  word(count, power) {
    return Math.floor(count * this.uniform() ** power);
  }
}

/** `documents` and `queries` of so many collections' documents each: the files that `tabrank index build` and the bench read. */
export async function makeCollection(documents, queries, names) {
  const noise = new Noise(documents);
  const world = worldOf(noise, Math.max(20, Math.floor(documents / OF_TOPIC)));
  writeFileSync(names.lines, Array.from({ length: documents }, (_, index) => `{"id":"d${index}"}\n`).join(""));
  await writeRows(names.documents, Array.from({ length: documents }, () => TOKENS), (length) => textOf(noise, world, length), "F16");
  await writeRows(names.queries, Array.from({ length: queries }, () => 6 + noise.below(10)), (length) => textOf(noise, world, length), "F32");
}

function worldOf(noise, topics) {
  const base = scaled(noise.row(), 0.6);
  const common = Array.from({ length: COMMON }, () => unit(sum(noise.row(), base)));
  const about = Array.from({ length: topics }, () => noise.row().slice());
  const words = about.map((topic) => Array.from({ length: WORDS }, () => unit(sum(sum(scaled(topic, 0.9), noise.row()), base))));
  return { common, about, words };
}

function textOf(noise, world, length) {
  const topic = noise.below(world.about.length);
  const other = noise.below(world.about.length);
  const context = noise.row();
  const rows = new Float32Array(length * WIDTH);
  for (let token = 0; token < length; token++) {
    const kind = noise.uniform();
    const word = kind < 0.45 ? world.common[noise.word(COMMON, 3)] : world.words[kind < 0.9 ? topic : other][noise.word(WORDS, 2)];
    const blur = noise.row();
    const row = rows.subarray(token * WIDTH, (token + 1) * WIDTH);
    for (let axis = 0; axis < WIDTH; axis++) row[axis] = word[axis] + 0.03 * context[axis] + 0.06 * blur[axis] + 0.05 * world.about[topic][axis];
    unit(row);
  }
  return rows;
}

/** An embeddings file, as docs/vectors.md has it, whose rows are in memory a piece at a time. */
async function writeRows(path, lengths, rowsOf, dtype) {
  const rows = lengths.reduce((all, length) => all + length, 0);
  const size = dtype === "F16" ? 2 : 4;
  const header = JSON.stringify({
    __metadata__: { format: "tabrank-embeddings", version: "1", codec: dtype.toLowerCase(), dimension: String(WIDTH) },
    embeddings: { dtype, shape: [rows, WIDTH], data_offsets: [4 * lengths.length, 4 * lengths.length + size * rows * WIDTH] },
    lengths: { dtype: "U32", shape: [lengths.length], data_offsets: [0, 4 * lengths.length] },
  });
  const padded = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(padded.length));
  const out = createWriteStream(path);
  const write = async (bytes) => out.write(bytes) || once(out, "drain");
  for (const bytes of [start, padded, Buffer.from(Uint32Array.from(lengths).buffer)]) await write(bytes);
  for (let first = 0; first < lengths.length; first += PIECE) {
    const values = lengths.slice(first, first + PIECE).map(rowsOf);
    for (const each of values) await write(Buffer.from(dtype === "F16" ? halves(each).buffer : each.buffer));
  }
  out.end();
  await once(out, "finish");
}

const BITS = new Uint32Array(1);
const NUMBER = new Float32Array(BITS.buffer);

/** Of numbers below 2 in size: those below 2⁻¹⁴ become zero. */
function halves(values) {
  return Uint16Array.from(values, (value) => {
    NUMBER[0] = value;
    const sign = (BITS[0] >>> 16) & 0x8000;
    const exponent = ((BITS[0] >>> 23) & 0xff) - 112;
    return exponent <= 0 ? sign : sign | ((exponent << 10) + (((BITS[0] & 0x7fffff) + 0x1000) >>> 13));
  });
}

function unit(row) {
  let square = 0;
  for (const value of row) square += value * value;
  const length = Math.sqrt(square);
  for (let axis = 0; axis < row.length; axis++) row[axis] /= length;
  return row;
}

function sum(a, b) {
  return a.map((value, axis) => value + b[axis]);
}

function scaled(row, by) {
  return row.map((value) => value * by);
}
