// The engine in Chromium against the reference libraries, stage by stage, on tiny checkpoints of every layout, as tests/parity.rs does natively.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { BOTH, openEngine } from "./lib/engine.mjs";
import { need, needWasm, ROOT } from "./lib/paths.mjs";

const CASES = JSON.parse(await readFile(need("tests/fixtures/cases.json", "git checkout tests/fixtures"), "utf8"));

const PAIR_CASES = JSON.parse(await readFile(need("tests/fixtures/cross-encoders/cases.json", "git checkout tests/fixtures"), "utf8"));

// How they begin. The adapter is in software and takes seconds for each new length: of the texts an empty one, a question, one that is cut, and emoji.
const FEW = /^($|When did|In the first year|👩)/u;

const RUNS = [
  { module: "tabrank_bg.wasm", device: "cpu", tolerance: 1e-4 },
  { module: "tabrank_relaxed_bg.wasm", device: "cpu", tolerance: 1e-4 },
  { module: BOTH, device: "webgpu", tolerance: 1e-3, few: true },
];

// Thrown by the package alone.
const PACKAGE_CODES = [
  "BUSY",
  "CACHE_CORRUPT_OFFLINE",
  "DISPOSED",
  "HTTP_STATUS",
  "INPUT_TOO_LARGE",
  "INTERNAL",
  "NETWORK",
  "NOT_CACHED",
  "OFFLINE_NOT_CACHED",
  "OUT_OF_MEMORY",
  "TIMEOUT",
  "WASM_BLOCKED_BY_CSP",
  "WORKER_FAILED",
];

/** Of the few. */
function placesOf(texts) {
  return [...texts.keys()].filter((place) => FEW.test(texts[place].text));
}

for (const { module, device, tolerance, few } of RUNS) {
  describe(`parity of ${module} on ${device}`, () => {
    let engine;
    before(async () => {
      needWasm();
      engine = await openEngine({ webgpu: true, module });
    });
    after(() => engine?.close());

    for (const name of CASES) {
      it(name, { timeout: 120_000 }, async () => {
        const expected = JSON.parse(await readFile(need(`tests/fixtures/${name}/expected.json`, "git checkout tests/fixtures"), "utf8"));
        const folder = engine.url(`fixtures/${name}/`);
        const address = { checkpoint: `${folder}checkpoint/`, expected: folder };
        const texts = few && { query: placesOf(expected.queries), document: placesOf(expected.documents) };
        assert.equal((await engine.call("describe", address, device)).device, device);
        const { tokens, states, embeddings } = await engine.call("compareTexts", address, device, texts, tolerance);
        assert.deepEqual(tokens.differing, []);
        assert.deepEqual(states.differing, []);
        assert.ok(states.compared >= 4, `only ${states.compared} hidden states were compared`);
        assert.deepEqual(embeddings.differing, []);
        const encodings = await engine.call("compareEncodings", address, device, texts, tolerance);
        assert.deepEqual(encodings.differing, []);
        const scores = await engine.call("compareScores", address, device, texts?.query, texts?.document, tolerance);
        assert.deepEqual(scores.differing, []);
        assert.ok(tokens.compared > 0 && encodings.compared > 0 && scores.compared > 0);
      });
    }

    for (const name of PAIR_CASES) {
      it(`pairs of ${name}`, { timeout: 120_000 }, async () => {
        const folder = engine.url(`fixtures/cross-encoders/${name}/`);
        const address = { checkpoint: `${folder}checkpoint/`, expected: folder };
        const { device: found, info } = await engine.call("describe", address, device);
        assert.deepEqual([found, info.kind], [device, "crossEncoder"]);
        // An empty document, one of a few tokens and one that is cut.
        const { tokens, scores } = await engine.call("comparePairs", address, device, few ? [0, 2, 4] : undefined, tolerance);
        assert.deepEqual(tokens.differing, []);
        assert.deepEqual(scores.differing, []);
        assert.ok(tokens.compared > 0 && scores.compared > 0);
      });
    }
  });
}

it("the package knows the codes that the engine can throw, and no others beside its own", async () => {
  needWasm();
  const engine = await openEngine({});
  const codes = await engine.call("errorCodes").finally(engine.close);
  const source = await readFile(join(ROOT, "pkg/src/error.ts"), "utf8");
  const known = [...source.matchAll(/^ {2}\| "(\w+)"/gm)].map(([, code]) => code);
  assert.deepEqual(known.filter((code) => !PACKAGE_CODES.includes(code)).toSorted(), codes.toSorted());
});
