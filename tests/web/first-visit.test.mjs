// What a page does around a ranking: it imports, looks, stores the model, ranks page after page, and marks what answers.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 60_000 };

let browser;
let page;
let tiny;
before(async () => {
  needPackage();
  tiny = await tinyCase("pylate");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
beforeEach(async () => {
  ({ page } = await browser.newPackagePage());
  await page.goto(browser.server.url("open/pages/empty.html"));
  browser.server.requests.length = 0;
});
afterEach(() => page?.context().close());

/** Runs in the page, with the package and what else it needs. */
const inPage = (task, given) =>
  page.evaluate(
    async ([code, module, given]) => {
      const tabrank = await import(module);
      return (0, eval)(code)(tabrank, given);
    },
    [`(${task})`, browser.server.url("open/package/index.js"), { model: browser.server.url(`open/${tiny.checkpoint}`), ...tiny, ...given }],
  );

const asked = (part) => browser.server.requests.filter((request) => request.includes(part));

it("an import fetches two scripts, and the first load the rest of them", LIMIT, async () => {
  await inPage(() => undefined);
  assert.equal(asked("/package/").length, 2, asked("/package/").join(", "));
  assert.deepEqual(asked("/package/").filter((request) => /calls-|worker|wasm/.test(request)), []);
  await inPage(({ Reranker }) => Reranker.isCached("/model/"));
  assert.equal(asked("/package/calls-").length, 1);
});

it("a model is looked at, stored, and then loaded without a request for it", LIMIT, async () => {
  const probe = () => inPage(({ Reranker }, { model }) => Reranker.probe(model));
  const before = await probe();
  assert.equal(before.model.stored, false);
  assert.ok(before.model.bytes > 10_000);
  assert.ok(before.cores > 0 && before.storage.quota > 0);
  assert.deepEqual(asked("package/worker"), []);
  assert.ok(asked("model.safetensors").every((request) => !request.startsWith("GET")), asked("model.safetensors").join(", "));

  const stored = await inPage(async ({ Reranker }, { model }) => {
    const phases = [];
    const answer = await Reranker.preload(model, { persist: true, onProgress: ({ phase }) => phases.push(phase) });
    return { ...answer, last: phases.at(-1) };
  });
  assert.deepEqual([stored.stored, stored.last, typeof stored.persisted], [true, "ready", "boolean"]);
  assert.deepEqual((await probe()).model, { stored: true, bytes: stored.bytes });

  browser.server.requests.length = 0;
  const value = await inPage(async ({ Reranker }, { model, query, documents }) => {
    const reranker = await Reranker.load(model, { device: "cpu" });
    const first = await reranker.rerank(query, documents);
    await reranker.rerank(query, documents);
    return first;
  });
  assertRanked({ value }, tiny);
  assert.deepEqual(asked(tiny.checkpoint), []);
  const { speed } = (await probe()).model;
  assert.deepEqual([speed.device, speed.tokensPerSecond > 0], ["cpu", true]);
});

it("pages are merged into the order of a ranking of all at once, also after a stage that cuts", LIMIT, async () => {
  for (const options of [{}, { topK: 4, explain: true }, { stages: [{ use: "dense", keep: 5 }, { use: "late" }] }, { stages: [{ use: "bm25", keep: 6 }, { use: "late" }] }, { minScore: 2 }]) {
    const { paged, whole } = await inPage(
      async ({ Reranker }, { model, query, documents, options }) => {
        const reranker = await Reranker.load(model, { device: "cpu" });
        const paging = reranker.paging(query, options);
        let paged;
        for (let start = 0; start < documents.length; start += 4) paged = await paging.add(documents.slice(start, start + 4));
        const whole = await reranker.rerank(query, documents, options);
        reranker.dispose();
        return { paged: paged.results, whole: whole.results };
      },
      { options },
    );
    assert.ok(whole.length > 1);
    assert.deepEqual(paged, whole, JSON.stringify(options));
  }
});

it("words that answer are marked as they stand in the text, and the best passage holds them", LIMIT, async () => {
  const texts = tiny.documents.map((text) => `${"filler text ".repeat(6)}${text}`);
  const shown = await inPage(
    async ({ marks, passage, Reranker }, { model, query, texts }) => {
      const reranker = await Reranker.load(model, { device: "cpu" });
      const { results } = await reranker.rerank(query, texts, { explain: true });
      return results.map((result) => ({ text: result.document, marked: marks(result), best: passage(result, 60) }));
    },
    { texts },
  );
  for (const { text, marked, best } of shown) {
    assert.ok(marked.length > 0);
    for (const { start, end } of marked) assert.match(text.slice(start, end), /^[\p{L}\p{N}\p{M}]/u);
    assert.equal(best.text, text.slice(best.start, best.end));
    assert.ok(best.text.length > 0 && best.text.length <= 60);
  }
});
