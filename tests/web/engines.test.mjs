// Three engines, each with its own compiler of WebAssembly: one order, the same scores to the bit, and the same embeddings of pages.
import assert from "node:assert/strict";
import { before, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needCli, needMiniLm, needPackage } from "./lib/paths.mjs";
import { longTexts, questions } from "./lib/texts.mjs";
import { pictureFile, visualCase } from "./lib/visual.mjs";

const LIMIT = { timeout: 120_000 };
const ENGINES = ["chromium", "firefox", "webkit"];
const CANDIDATES = 8;

let bundle;
before(() => {
  for (const need of [needPackage, needCli, needMiniLm]) need();
  bundle = prepareBundle("engines", "models/all-MiniLM-L6-v2", "q8");
});

/** What an engine makes of the texts by the default model in q8, with either module. */
async function rankedBy(engine) {
  const browser = await openBrowser({ engine, webgpu: false });
  const outputs = [];
  try {
    const tab = await browser.newPackagePage();
    for (const simd of ["simd128", "auto"]) {
      const { value, error } = await tab.harness("load", simd, tab.url(bundle.path), { device: "cpu", simd });
      assert.equal(error, undefined);
      const { value: output } = await tab.harness("rerank", simd, questions(1)[0].text, longTexts(CANDIDATES, 300), { explain: true });
      outputs.push({ simd: value.simd, results: output.results });
    }
    await tab.page.close();
    assert.deepEqual(tab.complaints, []);
  } finally {
    await browser.close();
  }
  return outputs;
}

it("all have the same results, explanations among them, with relaxed SIMD and without", LIMIT, async (test) => {
  const outputs = [];
  for (const engine of ENGINES) outputs.push(...(await rankedBy(engine)).map((output) => ({ engine, ...output })));
  test.diagnostic(outputs.map(({ engine, simd }) => `${engine} ${simd}`).join(", "));
  for (const { results } of outputs) assert.deepEqual(results, outputs[0].results);
  assert.equal(outputs[0].results.length, CANDIDATES);
});

/** Files of each kind that browsers decode themselves, and of the kinds that the package decodes for them. */
const PICTURES = ["rgb.png", "palette.png", "orientation-6.png", "rgba.png", "cmyk-adobe.jpg"];
/** What a value may be off by relaxed SIMD, which rounds sums of f32 once where plain SIMD does it twice. */
const TOLERANCE = 2e-5;

/** What an engine makes of pages, as pixels and as files, and of a question about them, by one form of SIMD. */
async function pagesBy(engine, simd) {
  const browser = await openBrowser({ engine, webgpu: false });
  try {
    const tab = await browser.newPackagePage();
    const { checkpoint, pages, queries } = visualCase();
    const given = [...pages.map(({ width, height, rgba }) => ({ width, height, rgba })), ...PICTURES.map((name) => ({ url: tab.url(pictureFile(name).path) }))];
    const { value: loaded, error } = await tab.harness("load", "pages", tab.url(checkpoint), { device: "cpu", simd });
    assert.equal(error, undefined);
    const { value: encoded } = await tab.harness("encodePages", "pages", given);
    const { value: answer } = await tab.harness("askPages", "pages", queries[0].text, 0);
    await tab.page.close();
    assert.deepEqual(tab.complaints, []);
    assert.equal(encoded.pages.length, given.length);
    return { simd: loaded.simd, pages: encoded.pages, answer };
  } finally {
    await browser.close();
  }
}

const farthest = (found, expected) => found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at])), 0);

it("all have the same embeddings of pages and find the same on them, to the bit by the same instructions", LIMIT, async (test) => {
  const [plain, ...others] = [await pagesBy("chromium", "simd128"), await pagesBy("firefox", "simd128"), await pagesBy("webkit", "simd128")];
  for (const other of others) assert.deepEqual(other, plain);
  const relaxed = await pagesBy("chromium", "auto");
  const distances = relaxed.pages.map(({ embeddings }, at) => farthest(embeddings, plain.pages[at].embeddings));
  test.diagnostic(`${relaxed.simd}: off by ${Math.max(...distances)} at the most`);
  assert.ok(Math.max(...distances) <= TOLERANCE, `${distances}`);
});
