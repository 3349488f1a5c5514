// The model is fetched once and kept; what is kept is never trusted unseen, and where nothing can be kept the model still loads.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 30_000 };

let browser;
let tab;
let tiny;
before(async () => {
  needPackage();
  tiny = await tinyCase("pylate");
  browser = await openBrowser({ webgpu: false });
});
after(() => browser?.close());
beforeEach(async () => {
  tab = await browser.newPackagePage();
  browser.server.requests.length = 0;
});
afterEach(() => tab?.close());

const load = (options) => tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "cpu", ...options });
const rerank = () => tab.harness("rerank", "it", tiny.query, tiny.documents);
const requested = () => browser.server.requests.filter((request) => request.includes(tiny.checkpoint));
const isCached = async () => (await tab.harness("static", "isCached", tab.url(tiny.checkpoint))).value;

/** Changes a stored file as `damage` says. */
function damage(how) {
  return tab.page.evaluate(async (how) => {
    const cache = await caches.open("tabrank-v1");
    const keys = await cache.keys();
    const key = keys.find(({ url }) => new URL(url).pathname.endsWith("/checkpoint/model.safetensors"));
    const stored = await cache.match(key);
    const bytes = new Uint8Array(await stored.arrayBuffer());
    if (how === "flipped") bytes[bytes.length >> 1] ^= 1;
    await cache.put(key, new Response(how === "cut" ? bytes.slice(0, -100) : bytes, { headers: stored.headers }));
  }, how);
}

describe("a model that was loaded", () => {
  it("comes from the browser's storage the next time, without a request for it", LIMIT, async () => {
    assert.equal(await isCached(), false);
    const first = await load();
    assert.equal(first.value.progress.at(-1).fromCache, false);
    assert.ok(requested().length > 0);
    assert.equal(await isCached(), true);

    await tab.page.reload();
    await tab.page.waitForFunction(() => globalThis.harness !== undefined);
    browser.server.requests.length = 0;
    const { value } = await load();
    assert.deepEqual(requested(), []);
    assert.equal(value.progress.at(-1).fromCache, true);
    assertRanked(await rerank(), tiny);
  });

  it("needs no network at all once it is loaded", LIMIT, async () => {
    await load();
    await tab.context.setOffline(true);
    browser.server.requests.length = 0;
    assertRanked(await rerank(), tiny);
    assert.deepEqual(browser.server.requests, []);
  });

  it("is fetched again after it was deleted, and with `reload`", LIMIT, async () => {
    await load();
    assert.equal((await tab.harness("static", "deleteCached", tab.url(tiny.checkpoint))).value, true);
    assert.equal(await isCached(), false);
    for (const cache of ["use", "reload"]) {
      browser.server.requests.length = 0;
      await load({ cache });
      assert.ok(requested().length > 0, cache);
    }
    assertRanked(await rerank(), tiny);
  });

  it("is not kept with `off`", LIMIT, async () => {
    await load({ cache: "off" });
    assert.equal(await isCached(), false);
    assert.deepEqual(await tab.page.evaluate(async () => (await caches.open("tabrank-v1")).keys()), []);
  });

  it("tells true progress: it never falls, ends with 1 once, and its bytes add up", LIMIT, async () => {
    const { progress } = (await load()).value;
    progress.reduce((last, now) => {
      assert.ok(now.progress >= last.progress && now.loaded >= last.loaded, JSON.stringify([last, now]));
      return now;
    });
    assert.deepEqual(progress.filter((now) => now.progress === 1).map(({ phase }) => phase), ["ready"]);
    const { loaded, total } = progress.at(-1);
    assert.equal(loaded, total);
    assert.ok(total > 100_000);
  });
});

describe("a stored file that is damaged", () => {
  for (const how of ["flipped", "cut"]) {
    it(`${how}: it alone is fetched again`, LIMIT, async () => {
      await load();
      await damage(how);
      browser.server.requests.length = 0;
      assert.equal((await load()).error, undefined);
      assert.equal(requested().length, 1);
      assert.match(requested()[0], /checkpoint\/model\.safetensors$/);
      assertRanked(await rerank(), tiny);
      browser.server.requests.length = 0;
      await load();
      assert.deepEqual(requested(), []);
    });
  }

  it("without a connection to its server: a typed error that says what to do, and no hang", LIMIT, async () => {
    await load();
    await damage("flipped");
    await tab.context.route(`**/${tiny.checkpoint}**`, (route) => route.abort("internetdisconnected"));
    const { error } = await load();
    assert.equal(error.code, "NETWORK");
    assert.match(error.message, /model\.safetensors/);
    assert.ok(error.hint);
  });
});

describe("a browser that keeps nothing", () => {
  for (const fault of ["storage-denied", "storage-full"]) {
    it(`${fault}: the model loads, and a warning says so once`, LIMIT, async () => {
      const { value, error } = await load({ workerUrl: tab.faultyWorker([["fault", fault]]) });
      assert.equal(error, undefined);
      assert.deepEqual(value.warnings.map(({ code }) => code), ["CACHE_UNAVAILABLE"]);
      assertRanked(await rerank(), tiny);
      assert.equal(await isCached(), false);
    });
  }

  it("no secure context: the model loads on the CPU", LIMIT, async () => {
    const plain = await browser.newPackagePage({ host: "insecure.example" });
    assert.equal(await plain.page.evaluate(() => isSecureContext || "gpu" in navigator || "caches" in globalThis), false);
    const { value, error } = await plain.harness("load", "it", plain.url(tiny.checkpoint), { device: "auto" });
    assert.equal(error, undefined);
    assert.equal(value.device, "cpu");
    assert.deepEqual(value.warnings.map(({ code }) => code).toSorted(), ["CACHE_UNAVAILABLE", "WEBGPU_FALLBACK"]);
    assertRanked(await plain.harness("rerank", "it", tiny.query, tiny.documents), tiny);
    await plain.close();
  });
});
