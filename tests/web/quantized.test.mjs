// Quantized weights in a page: converted there once, or loaded from a bundle whose every file is checked.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { prepareBundle } from "./lib/bundles.mjs";
import * as native from "./lib/native.mjs";
import { openBrowser } from "./lib/package.mjs";
import { needCli, needMiniLm, needPackage } from "./lib/paths.mjs";
import { damage, storedFiles, storedText } from "./lib/storage.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 60_000 };
const MINILM = "models/all-MiniLM-L6-v2/";

let browser;
let tab;
let tiny;
let bundle;
before(async () => {
  needPackage();
  needCli();
  bundle = prepareBundle("tiny-q8", "tests/fixtures/pylate/checkpoint", "q8");
  tiny = withScoresOf(await tinyCase("pylate"), bundle.folder);
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
beforeEach(async () => {
  tab = await browser.newPackagePage();
  browser.server.requests.length = 0;
});
afterEach(() => tab?.close());

/** The case with the scores that the command line gives with these weights. */
function withScoresOf(tiny, model) {
  const scores = [];
  for (const { index, score } of native.rerank(model, tiny.query, tiny.documents)) scores[index] = score;
  return { ...tiny, scores };
}

const load = (path, options) => tab.harness("load", "it", tab.url(path), { device: "cpu", ...options });
/** Inputs are quantized as well, so a rounding that falls the other way shows; more so in weights that were converted on another kind of machine. */
const TOLERANCE = { bundle: 5e-3, converted: 2e-2 };
const assertRight = async (weights) => assertRanked(await tab.harness("rerank", "it", tiny.query, tiny.documents), tiny, TOLERANCE[weights]);
const isCached = async (path, options) => (await tab.harness("static", "isCached", tab.url(path), options)).value;
const requested = (path) => browser.server.requests.filter((request) => request.includes(path)).map((request) => request.split("/").at(-1));
async function revisit() {
  await tab.page.reload();
  await tab.page.waitForFunction(() => globalThis.harness !== undefined);
  browser.server.requests.length = 0;
}

/** Puts something else in place of a file, in all its answers or in the first ones. */
async function replace(path, change, times) {
  const answer = async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, ...change(await response.body()) });
  };
  await tab.context.route(`**/${path}`, answer, times ? { times } : {});
}

function flipped(body) {
  body[body.length >> 1] ^= 1;
  return { body };
}

describe("a checkpoint with a dtype", () => {
  it("is converted once; the second visit makes no request for it and ranks the same", LIMIT, async () => {
    const first = await load(tiny.checkpoint, { dtype: "q8" });
    assert.equal(first.error, undefined);
    assert.equal(first.value.model.dtype, "q8");
    assert.ok(first.value.progress.some(({ phase }) => phase === "convert"));
    await assertRight("converted");
    assert.equal(await isCached(tiny.checkpoint, { dtype: "q8" }), true);
    assert.equal(await isCached(tiny.checkpoint), false);
    assert.ok(!(await storedFiles(tab.page)).includes("model.safetensors"), "the checkpoint's own weights are kept beside the bundle");

    await revisit();
    const second = await load(tiny.checkpoint, { dtype: "q8" });
    assert.deepEqual(requested(tiny.checkpoint), []);
    assert.equal(second.value.model.dtype, "q8");
    assert.equal(second.value.progress.at(-1).fromCache, true);
    assert.ok(!second.value.progress.some(({ phase }) => phase === "convert"));
    await assertRight("converted");
  });

  for (const dtype of ["f32", "f16", "q4"]) {
    it(`loads as ${dtype} too, beside q8`, LIMIT, async () => {
      for (const each of ["q8", dtype]) assert.equal((await load(tiny.checkpoint, { dtype: each })).value.model.dtype, each);
      for (const each of ["q8", dtype]) assert.equal(await isCached(tiny.checkpoint, { dtype: each }), true);
    });
  }

  it("is converted again where a stored shard is damaged", LIMIT, async () => {
    await load(tiny.checkpoint, { dtype: "q8" });
    await damage(tab.page, bundle.shards[0]);
    browser.server.requests.length = 0;
    assert.equal((await load(tiny.checkpoint, { dtype: "q8" })).error, undefined);
    assert.ok(requested(tiny.checkpoint).includes("model.safetensors"));
    await assertRight("converted");
    browser.server.requests.length = 0;
    await load(tiny.checkpoint, { dtype: "q8" });
    assert.deepEqual(requested(tiny.checkpoint), []);
  });

  it("is converted where nothing can be kept, with a warning", LIMIT, async () => {
    for (const fault of ["storage-denied", "storage-full"]) {
      const { value, error } = await load(tiny.checkpoint, { dtype: "q8", workerUrl: tab.faultyWorker([["fault", fault]]) });
      assert.equal(error, undefined);
      assert.ok(value.warnings.some(({ code }) => code === "CACHE_UNAVAILABLE"));
      await assertRight("converted");
    }
  });

  it("is found on a hub of another origin by its id", LIMIT, async () => {
    const hub = browser.server.url("shared/hub", "localhost");
    const { error, value } = await tab.harness("load", "it", "owner/pylate", { device: "cpu", hub, revision: "v1", dtype: "q8" });
    assert.equal(error, undefined);
    assert.equal(value.model.dtype, "q8");
    await assertRight("converted");
    assert.ok(browser.server.requests.some((request) => request.endsWith("/hub/owner/pylate/resolve/v1/model.safetensors")));
    assert.equal((await tab.harness("static", "isCached", "owner/pylate", { hub, revision: "v1", dtype: "q8" })).value, true);
    const manifest = await storedText(tab.page, "tabrank.json");
    assert.match(manifest, /owner\/pylate/);
    assert.match(manifest, /"v1"/);
  });
});

describe("a bundle", () => {
  it("loads as it is, is kept, and needs no request the next time", LIMIT, async () => {
    const first = await load(bundle.path);
    assert.equal(first.error, undefined);
    assert.equal(first.value.model.dtype, "q8");
    await assertRight("bundle");
    await revisit();
    assert.equal((await load(bundle.path)).value.progress.at(-1).fromCache, true);
    assert.deepEqual(requested(bundle.path), []);
    await assertRight("bundle");
  });

  it("of another type than was asked for is refused before its weights are fetched", LIMIT, async () => {
    const { error } = await load(bundle.path, { dtype: "q4" });
    assert.equal(error.code, "CHECKPOINT_UNSUPPORTED");
    assert.match(error.message, /q8.*q4/);
    assert.ok(error.hint);
    assert.deepEqual(requested(bundle.path), ["tabrank.json"]);
  });

  const WRONG = {
    "with one wrong byte": flipped,
    "with a page in place of a shard": () => ({ body: "<!doctype html><title>app</title>", headers: { "content-type": "text/html" } }),
    "with a shard that is cut": (body) => ({ body: body.subarray(0, -100), headers: {} }),
  };
  for (const [name, change] of Object.entries(WRONG)) {
    it(`${name} is an INTEGRITY_FAILED, and nothing of it is kept`, LIMIT, async () => {
      await replace(bundle.path + bundle.shards[0], change);
      const { error } = await load(bundle.path);
      assert.equal(error.code, "INTEGRITY_FAILED");
      assert.match(error.message, new RegExp(bundle.shards[0]));
      assert.ok(error.hint);
      assert.equal(await isCached(bundle.path), false);
      assert.deepEqual(await storedFiles(tab.page), []);
    });
  }

  it("with a shard that is wrong once loads by the second answer", LIMIT, async () => {
    await replace(bundle.path + bundle.shards[0], flipped, 1);
    assert.equal((await load(bundle.path)).error, undefined);
    await assertRight("bundle");
  });

  it("with a manifest that is cut is a BUNDLE_INVALID", LIMIT, async () => {
    await replace(`${bundle.path}tabrank.json`, (body) => ({ body: body.subarray(0, body.length >> 1), headers: {} }));
    const { error } = await load(bundle.path);
    assert.equal(error.code, "BUNDLE_INVALID");
    assert.deepEqual(await storedFiles(tab.page), []);
  });

  it("with a stored shard that is damaged fetches that shard alone, by the manifest of now", LIMIT, async () => {
    await load(bundle.path);
    await damage(tab.page, bundle.shards[0]);
    browser.server.requests.length = 0;
    assert.equal((await load(bundle.path)).error, undefined);
    assert.deepEqual(requested(bundle.path), ["tabrank.json", bundle.shards[0]]);
    await assertRight("bundle");
  });
});

describe("with the default model", () => {
  let minilm;
  before(() => {
    needMiniLm();
    minilm = prepareBundle("minilm-q8", MINILM, "q8");
  });

  it("a load that was interrupted goes on with the shards that have come", { timeout: 120_000 }, async () => {
    assert.ok(minilm.shards.length > 1);
    const last = minilm.shards.at(-1);
    const blocked = `**/${minilm.path}${last}`;
    await tab.context.route(blocked, (route) => route.abort("connectionreset"));
    assert.equal((await load(minilm.path)).error.code, "NETWORK");
    await tab.context.unroute(blocked);
    browser.server.requests.length = 0;
    assert.equal((await load(minilm.path)).error, undefined);
    assert.deepEqual(requested(minilm.path), ["tabrank.json", last]);
    assert.equal(await isCached(minilm.path), true);
  });

  it("a load whose tab is closed goes on with the shards that have come", { timeout: 120_000 }, async () => {
    for (const place of [1, minilm.shards.length - 1]) {
      const first = await browser.newPackagePage({ context: tab.context });
      // It is asked for, and does not come.
      await first.page.route(`**/${minilm.path}${minilm.shards[place]}`, () => {});
      void first.harness("load", "it", first.url(minilm.path), { device: "cpu" }).catch(() => {});
      const before = minilm.shards[place - 1];
      while (!(await storedFiles(first.page)).includes(before)) await new Promise((resolve) => setTimeout(resolve, 50));
      await first.close();
      browser.server.requests.length = 0;
      assert.equal((await load(minilm.path)).error, undefined);
      // A request that was held back may reach the server once its tab is gone.
      assert.deepEqual([...new Set(requested(minilm.path))].toSorted(), ["tabrank.json", ...minilm.shards.slice(place)]);
      await tab.harness("static", "clearCached");
    }
  });

  it("relaxed SIMD, plain SIMD and the command line give the same embeddings, to the last bit", { timeout: 120_000 }, async () => {
    const relaxed = await tab.harness("load", "relaxed", tab.url(minilm.path), { device: "cpu" });
    const plain = await tab.harness("load", "plain", tab.url(minilm.path), { device: "cpu", simd: "simd128" });
    assert.deepEqual([relaxed.value.simd, plain.value.simd], ["relaxed", "simd128"]);
    const expected = native.embeddingsHash(minilm.folder, tiny.documents);
    for (const name of ["relaxed", "plain"]) assert.equal(await tab.harness("embeddingsHash", name, tiny.documents), expected, name);
  });
});
