// The package in Node, where its workers are threads: the reference's ranking, and the same bits from several as from one.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { before, it } from "node:test";
import { needPackage, ROOT } from "./lib/paths.mjs";
import { longTexts, questions } from "./lib/texts.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 120_000 };

let Reranker;
let tiny;
let files;
before(async () => {
  needPackage();
  ({ Reranker } = await import(join(ROOT, "pkg/dist/index.js")));
  tiny = await tinyCase("pylate");
  files = filesIn(join(ROOT, tiny.folder));
});

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, path = parentPath, name }) => join(path, name));
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path)]));
}

it("a checkpoint that was read from a disk ranks as the reference does", LIMIT, async () => {
  const reranker = await Reranker.load(files);
  try {
    assert.equal(reranker.device, "cpu");
    assertRanked({ value: await reranker.rerank(tiny.query, tiny.documents) }, tiny);
    await assert.rejects(reranker.rerank("", ["a"]), { code: "INVALID_INPUT" });
  } finally {
    reranker.dispose();
  }
});

it("threads that share a list answer as one does, to the bit", LIMIT, async () => {
  const [query, documents] = [questions(1)[0].text, longTexts(120, 400)];
  const answers = await Promise.all([1, 3].map((workers) => rankings(workers, query, documents)));
  const [[expected]] = answers;
  for (const results of answers.flat()) assert.deepEqual(results, expected);
});

for (const [what, source, options, code] of [
  ["a folder's relative address", () => "models/mine/", {}, "INVALID_INPUT"],
  ["a folder on a disk", () => new URL("file:///models/mine/"), {}, "INVALID_INPUT"],
  ["a worker of the web", () => files, { workerUrl: "https://host/worker.js" }, "WORKER_FAILED"],
]) {
  it(`${what} is refused with a hint for Node`, LIMIT, async () => {
    await assert.rejects(Reranker.load(source(), options), { code, hint: /^(There is no page here: pass .*files|In Node leave workerUrl out)/ });
  });
}

/** Of several calls: the others start once the first is answered. */
async function rankings(workers, query, documents) {
  const reranker = await Reranker.load(files, { workers });
  const all = [];
  for (let call = 0; call < 4; call++) {
    const { results } = await reranker.rerank(query, documents, { topK: 20, explain: true });
    all.push(results);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  reranker.dispose();
  return all;
}
