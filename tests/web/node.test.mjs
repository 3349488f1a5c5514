// The package in Node, where its workers are threads: the reference's ranking, and the same bits from several as from one.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { before, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as native from "./lib/native.mjs";
import { needCli, needPackage, OUTPUT, ROOT } from "./lib/paths.mjs";
import { serve } from "./lib/server.mjs";
import { longTexts, questions } from "./lib/texts.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";
import { pictureFile, visualCase } from "./lib/visual.mjs";

const LIMIT = { timeout: 120_000 };

let Index;
let Reranker;
let tiny;
let files;
before(async () => {
  needPackage();
  ({ Index, Reranker } = await import(join(ROOT, "pkg/dist/index.js")));
  tiny = await tinyCase("pylate");
  files = filesIn(join(ROOT, tiny.folder));
});

function filesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, path = parentPath, name }) => join(path, name));
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path)]));
}

it("an import of any entry starts nothing, and touches nothing of a page", LIMIT, async () => {
  const dist = join(ROOT, "pkg/dist");
  const entries = [".", "adapters", "candidates"].flatMap((folder) => readdirSync(join(dist, folder)).map((file) => join(dist, folder, file)));
  const modules = entries.filter((file) => file.endsWith(".js") && !file.endsWith("/worker.js"));
  assert.ok(modules.length > 2);
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL("lib/import-alone.mjs", import.meta.url)), ...modules], { timeout: 30_000 });
  assert.deepEqual(JSON.parse(stdout), []);
});

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

it("pages are read from files of all kinds, though nothing here draws", LIMIT, async () => {
  const reranker = await Reranker.load(filesIn(join(ROOT, visualCase().folder)));
  try {
    for (const name of ["rgb.png", "grey.png", "palette.png", "orientation-6.png", "rgba.png", "palette.gif", "rgb.bmp", "lossless.webp", "rgb.tif"]) {
      const { path, width, height, rgba } = pictureFile(name);
      const file = new Blob([readFileSync(join(ROOT, "tests", path))]);
      const [read, drawn] = await reranker.encodePages([() => file, { width, height, rgba: Uint8Array.from(rgba) }]);
      assert.deepEqual(read, drawn, name);
      assert.equal((await reranker.estimatePages([file])).pages, 1);
    }
    const noImage = new Blob(["%PDF-1.7\n"]);
    await assert.rejects(reranker.encodePages([noImage]), { code: "INVALID_INPUT", message: /^pages\[0\]: the picture is no PNG, JPEG/ });
  } finally {
    reranker.dispose();
  }
});

it("what is wrong with a page is told with its place", LIMIT, async () => {
  const reranker = await Reranker.load(filesIn(join(ROOT, visualCase().folder)));
  try {
    const [page, strip] = [20, 70_000].map((width) => ({ width, height: 1, rgba: new Uint8Array(4 * width) }));
    await assert.rejects(reranker.encodePages([page, strip]), { message: /^pages\[1\] has 70000 × 1 pixels/ });
    await assert.rejects(reranker.explain("oil", { embeddings: new Float32Array(7), dimension: 7 }), { code: "MODEL_MISMATCH", message: "the embeddings of document have 7 values, and the model's 16" });
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

it("an index that lies on a server is searched as the command line searches it, and nothing is fetched twice", LIMIT, async () => {
  needCli();
  const folder = join(OUTPUT, "data/node-index");
  const model = join(ROOT, tiny.folder);
  native.buildIndex(model, longTexts(60, 400).map((text, index) => ({ id: `d${index}`, text })), folder);
  const server = await serve();
  const reranker = await Reranker.load(files);
  const index = await Index.open(server.url("open/data/node-index/"), { reranker });
  try {
    const ids = ({ results }) => results.map(({ id }) => id);
    const found = await index.search(tiny.query);
    assert.deepEqual(ids(found), native.searchIndex(model, folder, tiny.query, 10).map(({ id }) => id));
    assert.ok(found.fetched.parts > 0);
    const { length } = server.requests;
    assert.deepEqual(ids(await index.search(tiny.query)), ids(found));
    assert.equal(server.requests.length, length);
  } finally {
    index.dispose();
    reranker.dispose();
    await server.close();
  }
});

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
