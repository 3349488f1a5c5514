// The package's own command in Node, held against the native one: the same lines, the same numbers but for rounding, the same exit codes.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { buildIndex } from "./lib/native.mjs";
import { needCli, needPackage, OUTPUT, ROOT } from "./lib/paths.mjs";

const LIMIT = { timeout: 120_000 };

const MODEL = join(ROOT, "tests/fixtures/pylate/checkpoint");
const CROSS_ENCODER = join(ROOT, "tests/fixtures/cross-encoders/bert/checkpoint");
const EMPTY = join(OUTPUT, "data/no-model");

let native;
before(() => {
  needPackage();
  native = needCli();
  mkdirSync(EMPTY, { recursive: true });
});

const run = (command, args, input) => {
  const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: "utf8" });
  return { status, stdout, stderr };
};
const both = (args, input = "") => [run(native, args, input), run(process.execPath, [join(ROOT, "pkg/dist/cli/tabrank.js"), ...args], input)];

/** What was computed is compared as numbers, all else to the letter. */
function parts(stdout) {
  const numbers = [];
  const text = stdout
    .replace(/"(score|fused)":([^,}]+)/g, (_, name, number) => (numbers.push(Number(number)), `"${name}":#`))
    .replace(/"embeddings":"([^"]*)"/g, (_, base64) => {
      const { buffer, byteOffset, length } = Uint8Array.from(Buffer.from(base64, "base64"));
      numbers.push(...new Float32Array(buffer, byteOffset, Math.floor(length / 4)));
      return '"embeddings":#';
    });
  return { text, numbers };
}

function assertSame(args, input) {
  const [expected, found] = both(args, input);
  assert.equal(found.status, 0, found.stderr);
  assert.equal(expected.status, 0, expected.stderr);
  const [theirs, ours] = [parts(expected.stdout), parts(found.stdout)];
  assert.equal(ours.text, theirs.text);
  for (const [place, number] of theirs.numbers.entries()) assert.ok(Object.is(ours.numbers[place], number) || Math.abs(ours.numbers[place] - number) <= 1e-5 * Math.max(1, Math.abs(number)), `${ours.numbers[place]} is not ${number}`);
  return ours;
}

const TEXTS = ["The crisis began in October, when the members of the group proclaimed an embargo.", "water", "the price of oil rose", "", "water", "北京是中国的首都。"];
const lines = (objects) => objects.map((object) => `${JSON.stringify(object)}\n`).join("");
const CANDIDATES = lines(TEXTS.map((text, place) => ({ id: `d${place}`, text, score: 7 - place })));
const LONG = lines([{ text: `${"the price of oil rose and ".repeat(60)}water` }, { text: "water" }]);

describe("rerank", () => {
  for (const [what, args, input = CANDIDATES] of [
    ["by the model alone", []],
    ["with the best alone", ["--top-k", "2"]],
    ["above a score", ["--min-score=0.5"]],
    ["by BM25, then late", ["--stage", "bm25:4", "--stage", "late"]],
    ["by a dense stage", ["--stage=dense:3", "--stage", "late:2", "--dense", "mean"]],
    ["by the scores that are given", ["--stage", "given:4", "--stage", "late"]],
    ["by a cross-encoder behind", ["--stage", "late:3", "--stage", `cross=${CROSS_ENCODER}:2`]],
    // Of texts that differ: equal ones stand in the order of the scores that they were given.
    ["fused by ranks", ["--fuse", "ranks"], lines([...new Set(TEXTS)].map((text, place) => ({ text, score: (place * 7) % 5 })))],
    ["fused by ranks of the input's order", ["--fuse", "ranks", "--stage", "late:4"], lines(TEXTS.map((text) => ({ text })))],
    ["fused by scores", ["--fuse", "scores"]],
    ["fused by scores that a stage reads too", ["--fuse", "scores", "--stage", "given:5", "--stage", "late"]],
    ["diversified", ["--diversify", "0.5"]],
    ["with settings of its own", ["--document-length", "6", "--skiplist-words", "the of", "--do-query-expansion", "false"]],
    ["with fewer embeddings", ["--pool-factor", "2"]],
    ["of long documents, cut", [], LONG],
    ["of long documents in windows", ["--long-documents", "windows", "--overlap", "2", "--max-windows", "3"], LONG],
    ["of an array", [], '[ {"text": "water",\n "more": [1,\n 2.50, "a  \\" b"]},\n{"text":"oil"}\n]\n'],
    ["of nothing", [], ""],
    ["of an empty array", [], " [ ] "],
    ["of fields to the letter", [], '{"text":"oil","r\\u0061nk":1E400,"a":1,"a":12345678901234567890.10,"replaced":{"index": 3}}\n\n\ufeff{"_":"","text":"w\\u0061ter","index":null}\r\n'],
    ["of what is no object, skipped", ["--on-error", "skip"], `{"text":"oil"}\n{"text":5}\nno\n[1]\n{"a":1}\n{"text":"\\ud800"}\n{"text":"water"}`],
  ]) {
    it(`${what} is what the native command does`, LIMIT, () => {
      assertSame(["rerank", "--model", MODEL, "--query", "-what of oil?", ...args], input);
    });
  }

  it("takes embeddings that the native command has encoded", LIMIT, () => {
    for (const codec of ["f32", "int8", "binary"]) {
      const records = run(native, ["encode", "--model", MODEL, "--codec", codec], CANDIDATES).stdout;
      assert.equal(records.split("\n").length, TEXTS.length + 1);
      assertSame(["rerank", "--model", MODEL, "--query", "oil"], records);
    }
  });

  it("writes numbers with the same digits", LIMIT, () => {
    const scores = [1, -1, 0.1, 100, 123456.789, 1e12, 1.5e13, 1e14, 1e16, 2e17, 3e38, 1e-3, 0.000012345, 1e-5, 1.2e-6, 3e-7, 1e-40, -0, 16777216, 16777217, 0.30000001192092896, 1 / 3, 12345678.9, 9007199254740993];
    const input = scores.map((score) => `{"text":"a","score":${Object.is(score, -0) ? "-0.0" : score}}\n`).join("");
    const [expected, found] = both(["rerank", "--model", MODEL, "--query", "a", "--stage", "given"], input);
    assert.equal(found.stdout, expected.stdout);
  });
});

describe("encode", () => {
  for (const [what, args] of [
    ["documents", []],
    ["queries", ["--kind", "query"]],
    ["one vector a text", ["--pooling", "mean"]],
    ["fewer embeddings", ["--pool-factor", "2"]],
    ["less of each", ["--document-length", "5", "--truncate-dim", "16"]],
  ]) {
    it(`${what} as the native command does`, LIMIT, () => {
      const input = args.includes("query") ? lines(TEXTS.filter((text) => text !== "").map((text) => ({ text, id: 5 }))) : CANDIDATES;
      assert.ok(assertSame(["encode", "--model", MODEL, ...args], input).numbers.length > 100);
    });
  }
});

describe("index search", () => {
  const INDEX = join(OUTPUT, "data/command-index");
  const documents = Array.from({ length: 80 }, (_, place) => ({ id: `d "${place}" é`, text: `${TEXTS[place % TEXTS.length]} ${place} ${"oil of the city ".repeat(place % 7)}` }));
  before(() => buildIndex(MODEL, documents, INDEX));

  for (const [what, args, input] of [
    ["one query", ["--query", "-what of oil?"]],
    ["some of the best", ["--top-k=3", "--query", "the city", "--n-ivf-probe", "2", "--n-full-scores", "4"]],
    ["queries of stdin", [], '{"text":"water"}\n\n{"id":"q","text":"oil"}\n{"id":12.50,"text":"the city"}'],
    ["no queries", [], ""],
  ]) {
    it(`of ${what} finds what the native command finds`, LIMIT, () => {
      assertSame(["index", "search", INDEX, "--model", MODEL, ...args], input);
    });
  }

  for (const [what, args, status] of [
    ["no folder", ["--model", MODEL, "--query", "oil"], 2],
    ["two folders", [INDEX, INDEX, "--model", MODEL, "--query", "oil"], 2],
    ["a folder that is not there", [join(EMPTY, "none"), "--model", MODEL, "--query", "oil"], 66],
    ["a cross-encoder", [INDEX, "--model", CROSS_ENCODER, "--query", "oil"], 65],
    ["another model", [INDEX, "--model", join(ROOT, "tests/fixtures/pylate-no-expansion/checkpoint"), "--query", "oil"], 65],
  ]) {
    it(`with ${what} has the exit code ${status}`, LIMIT, () => {
      const [expected, found] = both(["index", "search", ...args]);
      assert.deepEqual([found.status, expected.status], [status, status], found.stderr);
      assert.match(found.stderr, /^tabrank: .+/m);
    });
  }
});

describe("a failure", () => {
  const rerank = ["rerank", "--model", MODEL, "--query", "oil"];
  for (const [what, args, input, status] of [
    ["no command", [], "", 2],
    ["a command that there is not", ["find"], "", 2],
    ["an argument that there is not", [...rerank, "--best", "3"], "", 2],
    ["no query", ["rerank", "--model", MODEL], "", 2],
    ["a number that is none", [...rerank, "--top-k", "0"], "", 2],
    ["a stage that there is not", [...rerank, "--stage", "first"], "", 2],
    ["a word that is none", [...rerank, "--fuse", "sum"], "", 2],
    ["windows of documents that are cut", [...rerank, "--overlap", "3"], CANDIDATES, 2],
    ["a folder that is not there", ["rerank", "--model", join(EMPTY, "none"), "--query", "oil"], "", 66],
    ["a folder without a model", ["rerank", "--model", EMPTY, "--query", "oil"], "", 65],
    ["an empty query", ["rerank", "--model", MODEL, "--query", " "], CANDIDATES, 65],
    ["a line that is no JSON", rerank, '{"text":"a"}\n{"text":\n', 65],
    ["an object without a text", rerank, '{"title":"a"}\n', 65],
    ["an array that does not end", rerank, '[{"text":"a"},', 65],
    ["compressed input", rerank, Buffer.from([0x1f, 0x8b, 8, 0]), 65],
    ["a setting that does not go with the model", [...rerank, "--truncate-dim", "5000"], CANDIDATES, 65],
    ["no scores to rank by", [...rerank, "--stage", "given"], '{"text":"a"}\n', 65],
    ["a cross-encoder's stage without one", [...rerank, "--stage", "cross"], CANDIDATES, 65],
  ]) {
    it(`by ${what} has the exit code ${status} and says why on stderr`, LIMIT, () => {
      const [expected, found] = both(args, input);
      assert.deepEqual([found.status, expected.status], [status, status], found.stderr);
      assert.equal(found.stdout, "");
      assert.match(found.stderr, /^tabrank: .+/m);
      assert.ok(!found.stderr.includes("    at "), found.stderr);
    });
  }

  it("is none where the reader goes away", LIMIT, () => {
    const input = lines(Array.from({ length: 4_000 }, (_, place) => ({ text: `document ${place}`, filler: "x".repeat(100) })));
    const command = `${process.execPath} ${join(ROOT, "pkg/dist/cli/tabrank.js")} rerank --model ${MODEL} --query oil --stage bm25 | head -n 1; exit \${PIPESTATUS[0]}`;
    const { status, stdout } = spawnSync("bash", ["-c", command], { input, encoding: "utf8" });
    assert.deepEqual([status, stdout.split("\n").length], [0, 2]);
  });
});

it("what is of the native command alone is said, and the version is the package's", LIMIT, () => {
  const alone = (...args) => run(process.execPath, [join(ROOT, "pkg/dist/cli/tabrank.js"), ...args], "");
  for (const args of [["eval"], ["index", "build"], ["rerank", "--codec", "a", "--model", MODEL, "--query", "a"], ["encode", "--output", "a", "--model", MODEL]]) {
    const { status, stderr } = alone(...args);
    assert.equal(status, 2);
    assert.match(stderr, /native command/);
  }
  assert.equal(alone("--version").stdout, run(native, ["--version"], "").stdout);
  assert.match(alone("--help").stdout, /Usage: tabrank <COMMAND>/);
});
