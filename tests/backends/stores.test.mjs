// Each store is started, filled with the vectors of tabrank encode, queried with the question's, and its hits reranked, all by the package's own candidates.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readCollection } from "../../examples/backends/collection.mjs";
import { openChroma } from "../../examples/backends/stores/chroma.mjs";
import { openLanceDb } from "../../examples/backends/stores/lancedb.mjs";
import { openOrama } from "../../examples/backends/stores/orama.mjs";
import { openPgvector } from "../../examples/backends/stores/pgvector.mjs";
import { need, ROOT } from "../web/lib/paths.mjs";

const STORES = { Chroma: openChroma, "PostgreSQL with pgvector": openPgvector, LanceDB: openLanceDb, Orama: openOrama };

/** MaxSim lifts its paragraph from somewhere in the dense order to the first place. */
const QUESTION = "56dfa7887aa994140058dfaa";
const COUNT = 20;
/** Of two cosines in f32. */
const ROUNDING = 1e-5;
const CHECKPOINT = ["config.json", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer.json", "model.safetensors"];

const question = lineOf("queries.jsonl", ({ id }) => id === QUESTION).text;
const relevant = read("tests/data/squad-dev-a/qrels.tsv").split("\n").map((line) => line.split("\t")).find(([id]) => id === QUESTION)[1];

let documents;
let reranker;
let vector;
/** By all vectors, one after the other. */
let nearest;
before(async () => {
  documents = await readCollection(need("target/backends/documents.jsonl", "make test-backends").replace(/\.jsonl$/, ""));
  const { Reranker } = await import(join(ROOT, "pkg/dist/index.js"));
  reranker = await Reranker.load(checkpoint());
  vector = Array.from((await reranker.encodeQuery(question, { pooling: "mean" })).values);
  nearest = documents.map((document) => ({ document, cosine: dot(document.vector, vector) })).sort((a, b) => b.cosine - a.cosine).slice(0, COUNT);
});
after(() => reranker?.dispose());

for (const [name, open] of Object.entries(STORES)) {
  describe(name, { timeout: 300_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "tabrank-store-"));
    let store;
    let found;
    before(async () => {
      store = await open({ folder, program: join(ROOT, "target/backends/python/bin/chroma") });
      await store.fill(documents);
      found = store.read(await store.search(vector, COUNT));
    });
    after(async () => {
      await store?.close();
      rmSync(folder, { recursive: true });
    });

    it("gives the nearest of all vectors, best first, with their texts", () => {
      assert.deepEqual(found.hits.map(found.options.id), nearest.map(({ document }) => document.id));
      assert.deepEqual(found.hits.map(found.options.text), nearest.map(({ document }) => document.text));
    });

    it("gives scores that differ as the cosines do", () => {
      const scores = found.hits.map(found.score);
      nearest.forEach(({ cosine }, place) => assert.ok(Math.abs(scores[place] - scores[0] - (cosine - nearest[0].cosine)) < ROUNDING, `place ${place}`));
    });

    it("is reranked, so that the paragraph which the question was written for comes first", async () => {
      const { results } = await reranker.rerank(question, found.hits, found.options);
      assert.notEqual(found.options.id(found.hits[0]), relevant);
      assert.equal(results[0].id, relevant);
      for (const { document, index } of results) assert.equal(document, found.hits[index]);
      const again = store.read(found.response(results));
      assert.deepEqual(again.hits.map(again.options.id), results.map(({ id }) => id));
    });
  });
}

function checkpoint() {
  need("models/all-MiniLM-L6-v2/model.safetensors", "make test-backends");
  return Object.fromEntries(CHECKPOINT.map((name) => [name, readFileSync(join(ROOT, "models/all-MiniLM-L6-v2", name))]));
}

function lineOf(name, isIt) {
  return read(`tests/data/squad-dev-a/${name}`).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line)).find(isIt);
}

function read(path) {
  return readFileSync(join(ROOT, path), "utf8");
}

function dot(a, b) {
  return a.reduce((sum, value, place) => sum + value * b[place], 0);
}
