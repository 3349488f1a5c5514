// Three engines, each with its own compiler of WebAssembly: one order, and the same scores to the bit.
import assert from "node:assert/strict";
import { before, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needCli, needMiniLm, needPackage } from "./lib/paths.mjs";
import { longTexts, questions } from "./lib/texts.mjs";

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
