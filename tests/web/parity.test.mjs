// The engine in Chromium against the reference libraries, stage by stage, on tiny checkpoints of every layout, as tests/parity.rs does natively.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { openEngine } from "./lib/engine.mjs";
import { need, needWasm, ROOT } from "./lib/paths.mjs";

const CASES = [
  "plain",
  "bi-encoder",
  "pylate",
  "pylate-attended-two-dense",
  "pylate-no-expansion",
  "pylate-old",
  "stanford",
  "sentence-transformers",
  "sentence-transformers-min",
  "f16",
  "bf16",
];

// The adapter is in software and takes seconds for each new length: of the texts an empty one, a sentence, one that is cut, and emoji.
const FEW = [0, 3, 4, 11];

const DEVICES = {
  cpu: { tolerance: 1e-4 },
  webgpu: { tolerance: 1e-3, queries: [3, 11], documents: FEW, texts: { query: FEW, document: FEW } },
};

// Thrown by the package alone.
const PACKAGE_CODES = [
  "BUSY",
  "CACHE_CORRUPT_OFFLINE",
  "DISPOSED",
  "HTTP_STATUS",
  "INPUT_TOO_LARGE",
  "INTERNAL",
  "NETWORK",
  "OFFLINE_NOT_CACHED",
  "OUT_OF_MEMORY",
  "TIMEOUT",
  "WASM_BLOCKED_BY_CSP",
  "WORKER_FAILED",
];

let engine;
before(async () => {
  needWasm();
  engine = await openEngine({ webgpu: true });
});
after(() => engine?.close());

for (const [device, { tolerance, texts, queries, documents }] of Object.entries(DEVICES)) {
  describe(`parity on ${device}`, () => {
    for (const name of CASES) {
      it(name, { timeout: 120_000 }, async () => {
        need(`tests/fixtures/${name}/expected.json`, "git checkout tests/fixtures");
        const folder = engine.url(`fixtures/${name}/`);
        const address = { checkpoint: `${folder}checkpoint/`, expected: folder };
        assert.equal((await engine.call("describe", address, device)).device, device);
        const { tokens, states, embeddings } = await engine.call("compareTexts", address, device, texts, tolerance);
        assert.deepEqual(tokens.differing, []);
        assert.deepEqual(states.differing, []);
        assert.ok(states.compared >= 6, `only ${states.compared} hidden states were compared`);
        assert.deepEqual(embeddings.differing, []);
        const encodings = await engine.call("compareEncodings", address, device, texts, tolerance);
        assert.deepEqual(encodings.differing, []);
        const scores = await engine.call("compareScores", address, device, queries, documents, tolerance);
        assert.deepEqual(scores.differing, []);
        assert.ok(tokens.compared > 0 && encodings.compared > 0 && scores.compared > 0);
      });
    }
  });
}

it("the package knows the codes that the engine can throw, and no others beside its own", async () => {
  const source = await readFile(join(ROOT, "pkg/src/error.ts"), "utf8");
  const known = [...source.matchAll(/^ {2}\| "(\w+)"/gm)].map(([, code]) => code);
  const codes = await engine.call("errorCodes");
  assert.deepEqual(known.filter((code) => !PACKAGE_CODES.includes(code)).toSorted(), codes.toSorted());
});
