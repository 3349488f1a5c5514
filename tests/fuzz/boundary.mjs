// Usage: node tests/fuzz/boundary.mjs [SECONDS]
// Calls the engine as JavaScript can, with arguments replaced by what no caller should send. Each call ends with an error or an answer, the
// instance lives on, and what it computes stays the same to the bit. Arguments are what a message can carry, since all but the hooks come to
// the worker in one.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = new URL("../../", import.meta.url);
const fromPackage = createRequire(new URL("pkg/package.json", ROOT));
const { default: fc } = await import(pathToFileURL(fromPackage.resolve("fast-check")).href);
const { default: init, Checkpoint, convert, DocumentVectors, Engine, onPanic, ResidualCodecHandle, ScoredDocuments } = await import(new URL("pkg/wasm/tabrank.js", ROOT).href);

const seconds = Number(process.argv[2] ?? 60);
const files = filesBelow(fileURLToPath(new URL("tests/fixtures/pylate/checkpoint/", ROOT)));
const TEXTS = ["Oil prices rose.", "", "野猪 [MASK] e\u0301"];

let panic;
await init({ module_or_path: readFileSync(new URL("pkg/wasm/tabrank_bg.wasm", ROOT)) });
onPanic((text) => (panic = text));
const engine = await Engine.load(checkpoint(), { device: "cpu" }, {});
const expected = await answer();

/** Values that fast-check itself would stumble over stand under their names until the call. */
const TRICKS = {
  thrower: () => () => { throw new Error("a hook that throws"); },
  symbol: () => Symbol("s"),
  throwing: () => new Proxy({}, { get: () => { throw new Error("a getter that throws"); } }),
  revoked: () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  },
  detached: () => {
    const array = new Uint8Array(8);
    structuredClone(array.buffer, { transfer: [array.buffer] });
    return array;
  },
};

class Trick {
  constructor(name) {
    this.name = name;
  }
}

const hostile = fc.oneof(
  fc.anything({ withBigInt: true, withBoxedValues: true, withDate: true, withMap: true, withNullPrototype: true, withObjectString: true, withSet: true, withSparseArray: true, withTypedArray: true }),
  fc.constantFrom(undefined, null, Number.NaN, -1, 2 ** 32, 2 ** 53, 1e308, "\ud800", "x".repeat(100_000), [1, 2, 3], [null], { length: 3 }),
);
/** Where the glue takes a string it reads a length; that of an object can be anything, and only strings have one that is true. */
const text = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.constantFrom("\ud800", "", "\0", "x".repeat(100_000), "[MASK]".repeat(99), undefined, null, 7));
const hook = fc.oneof(hostile, fc.constantFrom(...Object.keys(TRICKS)).map((name) => new Trick(name)));
const hooks = fc.oneof(hook, fc.record({ stage: hook, batch: hook, pause: hook }, { requiredKeys: [] }));
const options = settings("topK", "explain", "profile", "pooling", "device", "gpuUnavailable", "dtype", "repository", "windows", "stages", "given", "fuse", "minScore", "diversify", "keep", "tokenPooling");
const stages = fc.array(fc.oneof(settings("use", "keep", "k1", "b", "stopWords", "pooling"), fc.record({ use: fc.constantFrom("given", "bm25", "dense", "late", "crossEncoder"), keep: hostile }, { requiredKeys: ["use"] })), { maxLength: 4 });
const floats = fc.oneof(fc.float32Array({ maxLength: 128 }), fc.constantFrom(new Float32Array(64).fill(0.125), new Float32Array()));
const name = fc.oneof(text, fc.constantFrom(...Object.keys(files)));
const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...Object.values(files)));

/** Rows of 16 values by each codec, and a file with the tables of `residual`. */
const ROW_BYTES = { f32: 64, f16: 32, int8: 16, binary: 2, residual: 4 };
const CODEC_FILE = codecFile(16);
const numbers = fc.oneof(fc.uint32Array({ maxLength: 4, max: 4 }), fc.uint32Array({ maxLength: 4 }));
const changed = fc.tuple(fc.constant(CODEC_FILE), fc.nat(CODEC_FILE.length - 1), fc.nat(255)).map(([file, place, byte]) => file.with(place, byte));
const codecBytes = fc.oneof(fc.constant(CODEC_FILE), changed, bytes);
const group = fc.tuple(fc.constantFrom(...Object.keys(ROW_BYTES)), fc.uint32Array({ minLength: 1, maxLength: 3, max: 3 })).chain(([codec, lengths]) => {
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  return fc.record({
    codec: or(codec, text),
    dimension: or(16, hostile),
    lengths: or(lengths, numbers),
    places: or(Uint32Array.from(lengths.keys()), numbers),
    codes: or(new Uint8Array(rows * ROW_BYTES[codec]).fill(codec === "residual" ? 0 : 1), fc.uint8Array({ maxLength: 300 })),
    scales: or(codec === "int8" ? new Float32Array(rows).fill(0.1) : undefined, fc.float32Array({ maxLength: 4 })),
    residuals: or(codec === "residual" ? new Uint8Array(rows * 4) : undefined, fc.uint8Array({ maxLength: 16 })),
    file: codecBytes,
  });
});
const groups = fc.array(group, { maxLength: 3 });

/** Each with arguments of which some are right. */
const calls = {
  rerank: fc.tuple(or("oil", fc.oneof(text, hostile, floats)), or(TEXTS, hostile), or({}, fc.oneof(options, fc.record({ stages }))), or({}, hooks)),
  encode: fc.tuple(or("query", text), or(TEXTS, hostile), or({ pooling: "mean" }, options), or({}, hooks)),
  explain: fc.tuple(or("oil", text), or(TEXTS[0], text), or({}, options), or({}, hooks)),
  inspect: fc.tuple(or("document", text), or(TEXTS[0], text)),
  inspectPair: fc.tuple(or("oil", text), or(TEXTS[0], text)),
  brought: fc.tuple(groups, or({}, fc.oneof(options, fc.record({ stages }), fc.record({ keep: fc.constantFrom("f32", "f16", "int8", "binary"), explain: fc.boolean() })))),
  maxsim: fc.tuple(groups, or(1, fc.oneof(fc.nat(4), hostile)), fc.oneof(floats, fc.constant(new Float32Array(32).fill(0.125))), fc.boolean()),
  codec: fc.tuple(codecBytes),
  load: fc.tuple(or({ device: "cpu" }, options), or({}, hooks)),
  convert: fc.tuple(or({ dtype: "q8" }, options), or({}, hooks)),
  gather: fc.array(fc.tuple(fc.constantFrom("add", "addMissing", "addHeader"), name, bytes), { maxLength: 6 }),
};

const run = {
  rerank: (args) => engine.rerank(...args),
  encode: (args) => engine.encode(...args),
  explain: (args) => engine.explain(...args),
  inspect: (args) => engine.inspect(...args),
  inspectPair: (args) => engine.inspectPair(...args),
  brought: ([groups, options]) => engine.rerank("oil", TEXTS, options, {}, vectorsOf(groups)),
  maxsim,
  codec: ([file]) => new ResidualCodecHandle(file).free(),
  load: async (args) => (await Engine.load(checkpoint(), ...args)).free(),
  convert: async (args) => (await convert(checkpoint(), ...args, async () => new Uint8Array())).free(),
  gather,
};

const any = fc.oneof(...Object.entries(calls).map(([call, args]) => fc.tuple(fc.constant(call), args)));
const ended = {};
const end = Date.now() + seconds * 1000;
let done = 0;
await fc.assert(
  fc.asyncProperty(any, async ([call, args]) => {
    const outcome = await Promise.resolve().then(() => run[call](call === "gather" ? args : args.map(played))).then(() => "answered", (error) => (error?.code ? String(error.code) : "thrown by JavaScript"));
    ended[call] = { ...ended[call], [outcome]: (ended[call]?.[outcome] ?? 0) + 1 };
    assert.equal(panic, undefined);
    if (++done % 50 === 0) assert.deepEqual(await answer(), expected);
  }),
  { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false, endOnFailure: false },
);
assert.deepEqual(await answer(), expected);
console.log(`${done} calls in ${seconds} s`);
console.table(ended);
assert.ok(Date.now() >= end - 1000 && done > 0);

/** The trick itself, as an argument or as one of its fields. */
function played(value) {
  if (value instanceof Trick) return TRICKS[value.name]();
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, field instanceof Trick ? played(field) : field]));
}

function or(right, arbitrary) {
  return fc.oneof({ weight: 2, arbitrary: fc.constant(right) }, { weight: 1, arbitrary });
}

async function answer() {
  const { indices, scores } = await engine.rerank("oil", TEXTS, {}, {});
  return { indices: [...indices], scores: [...scores] };
}

function settings(...names) {
  return fc.oneof(hostile, fc.record(Object.fromEntries(names.map((name) => [name, hostile])), { requiredKeys: [] }));
}

function vectorsOf(groups) {
  const vectors = new DocumentVectors();
  try {
    for (const { codec, dimension, lengths, places, codes, scales, residuals, file } of groups) {
      if (residuals === undefined) vectors.add(codec, dimension, lengths, places, codes, scales);
      else {
        const tables = new ResidualCodecHandle(file);
        try {
          vectors.addResidual(tables, lengths, places, codes, residuals);
        } finally {
          tables.free();
        }
      }
    }
    return vectors;
  } catch (error) {
    vectors.free();
    throw error;
  }
}

function maxsim([groups, count, query, mean]) {
  const documents = new ScoredDocuments(vectorsOf(groups), count);
  try {
    documents.maxsim(query, mean);
    documents.similarities(query);
  } finally {
    documents.free();
  }
}

/** A codec of two centroids and two bits. */
function codecFile(dimension) {
  const shapes = { centroids: [2, dimension], bucket_cutoffs: [3], bucket_weights: [4] };
  let end = 0;
  const place = (shape) => [end, (end += 4 * shape.reduce((a, b) => a * b, 1))];
  const tensors = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { dtype: "F32", shape, data_offsets: place(shape) }]));
  const header = new TextEncoder().encode(JSON.stringify({ __metadata__: { format: "tabrank-codec", version: "1", nbits: "2" }, ...tensors }));
  const file = new Uint8Array(8 + header.length + end);
  file.set(new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer));
  file.set(header, 8);
  return file;
}

function checkpoint() {
  const made = new Checkpoint();
  for (let wanted = made.wanted(); wanted.length > 0; wanted = made.wanted()) {
    for (const { name } of wanted) files[name] ? made.add(name, files[name]) : made.addMissing(name);
  }
  return made;
}

function gather(steps) {
  const made = new Checkpoint();
  try {
    for (const [step, name, bytes] of steps) {
      try {
        made[step](name, bytes);
      } catch (error) {
        assert.equal(panic, undefined, String(error));
      }
      made.wanted();
    }
  } finally {
    made.free();
  }
}

function filesBelow(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(entries.map((entry) => {
    const path = `${entry.parentPath}/${entry.name}`;
    return [relative(folder, path), new Uint8Array(readFileSync(path))];
  }));
}
