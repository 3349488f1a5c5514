// The model is fetched once and kept; what is kept is never trusted unseen, and where nothing can be kept the model still loads.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { damage, storedEntries, storedFiles } from "./lib/storage.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

const LIMIT = { timeout: 30_000 };

let browser;
let tab;
let tiny;
let renewed;
before(async () => {
  needPackage();
  tiny = await tinyCase("pylate");
  renewed = await tinyCase("pylate-no-expansion");
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

const version = (checkpoint, file) => `**/${checkpoint}${file}`;

/** From the nth request for a file of the folder on, the server has another version there. */
async function moveOn(after) {
  let asked = 0;
  await tab.context.route(version(tiny.checkpoint, "**"), async (route) => {
    if (asked++ < after) return route.continue();
    return route.fulfill({ response: await route.fetch({ url: route.request().url().replace(tiny.checkpoint, renewed.checkpoint) }) });
  });
}

/** The scores are those of this version of the model, all of them. */
const assertVersion = async (of) => assertRanked(await rerank(), of);

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
    assert.deepEqual(await storedEntries(tab.page), []);
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
  for (const how of ["flipped", "cut", "gone"]) {
    it(`${how}: the model is fetched again, and is whole`, LIMIT, async () => {
      await load();
      await damage(tab.page, "model.safetensors", how);
      browser.server.requests.length = 0;
      assert.equal((await load()).error, undefined);
      assert.ok(requested().length > 0);
      await assertVersion(tiny);
      assert.equal(await isCached(), true);
      browser.server.requests.length = 0;
      await load();
      assert.deepEqual(requested(), []);
    });
  }

  it("is fetched with all others where the server has moved on", LIMIT, async () => {
    await load();
    await damage(tab.page, "tokenizer.json");
    await moveOn(0);
    assert.equal((await load()).error, undefined);
    await assertVersion(renewed);
  });

  it("without a connection to its server: a typed error that says what to do, and no hang", LIMIT, async () => {
    await load();
    await damage(tab.page, "model.safetensors");
    await tab.context.route(version(tiny.checkpoint, "**"), (route) => route.abort("internetdisconnected"));
    const { error } = await load();
    assert.equal(error.code, "CACHE_CORRUPT_OFFLINE");
    assert.match(error.message, /model\.safetensors/);
    assert.ok(error.hint);
  });
});

describe("a server that moves on", () => {
  for (const after of [3, 8]) {
    it(`after ${after} requests: the load is of one version`, LIMIT, async () => {
      await moveOn(after);
      assert.equal((await load()).error, undefined);
      const { value } = await rerank();
      const isRenewed = Math.abs(value.results[0].score - Math.max(...renewed.scores)) < Math.abs(value.results[0].score - Math.max(...tiny.scores));
      await assertVersion(isRenewed ? renewed : tiny);
      await tab.context.setOffline(true);
      await load();
      await assertVersion(isRenewed ? renewed : tiny);
    });
  }

  it("is followed with `reload`, and with nothing else", LIMIT, async () => {
    await load();
    await moveOn(0);
    await load();
    await assertVersion(tiny);
    await load({ cache: "reload" });
    await assertVersion(renewed);
  });
});

describe("a copy that works", () => {
  it("stays when a reload finds no network", LIMIT, async () => {
    await load();
    await tab.context.route(version(tiny.checkpoint, "**"), (route) => route.abort("internetdisconnected"));
    assert.equal((await load({ cache: "reload" })).error.code, "NETWORK");
    assert.equal((await load()).error, undefined);
    await assertVersion(tiny);
  });

  it("stays when the new version is no good", LIMIT, async () => {
    await load();
    await tab.context.route(version(tiny.checkpoint, "model.safetensors"), (route) => route.fulfill({ body: Buffer.alloc(4000) }));
    assert.equal((await load({ cache: "reload" })).error.code, "INTEGRITY_FAILED");
    assert.equal((await load()).error, undefined);
    await assertVersion(tiny);
  });

  it("stays when there is no room for the new one", LIMIT, async () => {
    await load();
    const { value } = await load({ cache: "reload", workerUrl: tab.faultyWorker([["fault", "storage-full"]]) });
    assert.deepEqual(value.warnings.map(({ code }) => code), ["CACHE_UNAVAILABLE"]);
    assert.equal(await isCached(), true);
  });
});

describe("several tabs", () => {
  /** Holds back the answer for the weights, once, until it is let go. */
  async function held() {
    let letGo;
    const isLetGo = new Promise((resolve) => (letGo = resolve));
    const isAsked = new Promise((resolve) => {
      let isFirst = true;
      const answer = async (route) => {
        const wait = isFirst && isLetGo;
        isFirst = false;
        resolve();
        await wait;
        await route.continue().catch(() => {});
      };
      // Not for one request alone: a request that is under way while a route ends may never be answered.
      void tab.context.route(version(tiny.checkpoint, "model.safetensors"), answer);
    });
    return { isAsked, letGo };
  }

  it("of one model fetch it once", LIMIT, async () => {
    const { isAsked, letGo } = await held();
    const first = load();
    await isAsked;
    const other = await browser.newPackagePage({ context: tab.context });
    const second = other.harness("load", "it", other.url(tiny.checkpoint), { device: "cpu" });
    letGo();
    assert.equal((await first).error, undefined);
    browser.server.requests.length = 0;
    assert.equal((await second).error, undefined);
    assert.deepEqual(requested(), []);
    assertRanked(await other.harness("rerank", "it", tiny.query, tiny.documents), tiny);
  });

  it("and several loads in one do too: each file is asked for once, and once more at the end", LIMIT, async () => {
    const loads = ["it", "other", "third"].map((name) => tab.harness("load", name, tab.url(tiny.checkpoint), { device: "cpu" }));
    for (const { error } of await Promise.all(loads)) assert.equal(error, undefined);
    assert.equal(requested().length, 2 * new Set(requested()).size);
    await assertVersion(tiny);
  });

  it("need not wait for one that is closed", LIMIT, async () => {
    const { isAsked, letGo } = await held();
    const other = await browser.newPackagePage({ context: tab.context });
    void other.harness("load", "it", other.url(tiny.checkpoint), { device: "cpu" }).catch(() => {});
    await isAsked;
    const second = load();
    const begin = performance.now();
    await other.close();
    assert.equal((await second).error, undefined);
    assert.ok(performance.now() - begin < 5000);
    letGo();
    await assertVersion(tiny);
  });
});

describe("storage that is cleared during a load", () => {
  const clear = {
    "by deleteCached": () => tab.harness("static", "deleteCached", tab.url(tiny.checkpoint)),
    "by the user": () => tab.page.evaluate(async () => Promise.all((await caches.keys()).map((name) => caches.delete(name)))),
  };
  for (const [who, task] of Object.entries(clear)) {
    it(`${who}: it loads, and the next load does too`, LIMIT, async () => {
      await tab.context.route(version(tiny.checkpoint, "model.safetensors"), async (route) => {
        await task();
        await route.continue();
      }, { times: 1 });
      assert.equal((await load()).error, undefined);
      await assertVersion(tiny);
      assert.equal(await isCached(), false);
      assert.equal((await load()).error, undefined);
      await assertVersion(tiny);
      assert.equal(await isCached(), true);
    });
  }
});

describe("what is kept", () => {
  const cached = async () => (await tab.harness("static", "cached")).value;

  it("is listed with its size, and cleared at once, without a touch of anything else", LIMIT, async () => {
    await tab.page.evaluate(async () => {
      localStorage.setItem("own", "1");
      for (const name of ["own", "tabrank-v1"]) await (await caches.open(name)).put("/own", new Response("own"));
    });
    const source = tab.url(tiny.checkpoint);
    await load();
    await load({ revision: "2", dtype: "q8" });
    const models = (await cached()).toSorted((a, b) => a.revision.localeCompare(b.revision));
    assert.deepEqual(models.map(({ source, revision, dtype, complete }) => [source, revision, dtype, complete]), [[source, "", undefined, true], [source, "2", "q8", true]]);
    assert.ok(models[0].bytes > models[1].bytes && models[1].bytes > 20_000);
    for (const { storedAt, usedAt } of models) assert.ok(Date.now() - storedAt < 30_000 && usedAt >= storedAt);
    const names = () => tab.page.evaluate(async () => (await caches.keys()).toSorted());
    const before = await names();
    assert.equal((await tab.harness("static", "clearCached", source)).value, true);
    assert.deepEqual(await cached(), []);
    assert.deepEqual(await storedEntries(tab.page), []);
    const rest = await tab.page.evaluate(async () => [localStorage.getItem("own"), (await (await caches.open("own")).keys()).length]);
    assert.deepEqual(rest, ["1", 1]);
    // Notes on the machine are of no model. A browser without relaxed SIMD has none.
    assert.deepEqual(await names(), before);
    assert.deepEqual(before.filter((name) => name !== "tabrank-hardware-v1"), ["own", "tabrank-v2"]);
  });

  it("is of two revisions at most", LIMIT, async () => {
    for (const revision of ["1", "2", "3"]) await load({ revision });
    assert.deepEqual((await cached()).map(({ revision }) => revision).toSorted(), ["2", "3"]);
    assert.ok((await storedFiles(tab.page)).includes("model.safetensors"));
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
