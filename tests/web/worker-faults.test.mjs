// The worker is the unit of failure: whatever happens in it, a call ends with a right answer or a typed error, and the next one works.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";
import { needPackage } from "./lib/paths.mjs";

const LIMIT = { timeout: 30_000 };
const ROUNDS = 25;

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
});
afterEach(() => tab?.close());

const load = (options) => tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "cpu", ...options });
const rerank = () => tab.harness("rerank", "it", tiny.query, tiny.documents, { explain: true });
const faulty = (fault, lives) => ({ workerUrl: tab.faultyWorker([["fault", fault], ...(lives ? [["lives", lives]] : [])]) });
/** Milliseconds of silence: less than the default, so that a test takes no ten seconds. */
const SILENCE = 3_000;
const impatient = { limits: { silence: SILENCE } };

async function assertWorks() {
  assertRanked(await rerank(), tiny);
}

describe("a panic of the engine", () => {
  for (const [fault, name] of [["panic-in-rerank", "scores"], ["panic-in-explain", "share"]]) {
    it(`${fault}: the call is answered by a new worker`, LIMIT, async () => {
      assert.equal((await load(faulty(fault, 1))).error, undefined);
      await assertWorks();
      assert.deepEqual(await tab.harness("struck"), [name]);
      assert.equal(await tab.harness("workers"), 2);
      assert.equal(await tab.harness("liveWorkers"), 1);
    });
  }

  it("twice in one call: the call fails with INTERNAL and the panic's own text, the next call works", LIMIT, async () => {
    assert.equal((await load(faulty("panic-in-rerank", 2))).error, undefined);
    const { error } = await rerank();
    assert.equal(error.code, "INTERNAL");
    assert.match(error.message, /panicked/);
    assert.doesNotMatch(error.message, /recursive use/);
    await assertWorks();
  });

  it("in the load: a new worker loads", LIMIT, async () => {
    assert.equal((await load(faulty("panic-in-load", 1))).error, undefined);
    await assertWorks();
    assert.deepEqual(await tab.harness("struck"), ["architecture"]);
  });

  it("in every load: INTERNAL, and no worker is left", LIMIT, async () => {
    const { error } = await load(faulty("panic-in-load"));
    assert.equal(error.code, "INTERNAL");
    assert.equal(await tab.harness("liveWorkers"), 0);
  });
});

describe("a call that takes all memory", () => {
  it("fails with OUT_OF_MEMORY, is not tried again, and the call behind it is answered by a new worker", LIMIT, async () => {
    assert.equal((await load(faulty("full-in-rerank", 1))).error, undefined);
    const [first, second] = await Promise.all([rerank(), rerank()]);
    assert.equal(first.error?.code, "OUT_OF_MEMORY");
    assert.match(first.error.hint, /fewer or shorter documents/);
    assertRanked(second, tiny);
    assert.deepEqual(await tab.harness("struck"), ["full"]);
    assert.equal(await tab.harness("workers"), 2);
  });
});

describe("a worker that dies or never lives", () => {
  it("dies between calls: the next call works", LIMIT, async () => {
    await load(faulty("uncaught-error", 1));
    await tab.harness("tellWorkers", "throw");
    await tab.page.waitForFunction(() => globalThis.harness.liveWorkers() === 0);
    await assertWorks();
    assert.deepEqual(await tab.harness("struck"), ["error"]);
  });

  it("is ended behind the package's back in a call: the call is answered by a new one", LIMIT, async () => {
    await load(impatient);
    const outcome = await tab.page.evaluate(
      ([query, documents]) => {
        const call = globalThis.harness.rerank("it", query, documents, { explain: true });
        globalThis.harness.killWorkers();
        return call;
      },
      [tiny.query, tiny.documents],
    );
    assertRanked(outcome, tiny);
  });

  const scripts = {
    "is missing": () => tab.url("package/absent.js"),
    "is a web page": () => tab.url("pages/package.html"),
    "imports what is missing": () => tab.url("pages/broken-worker.js"),
    "is missing on another origin": () => tab.url("package/absent.js").replace("127.0.0.1", "insecure.example"),
    "is some other script": () => tab.url("pages/patch.js"),
  };
  for (const [what, url] of Object.entries(scripts)) {
    it(`its script ${what}: WORKER_FAILED with a reason`, { timeout: 10_000 }, async () => {
      const { error } = await load({ workerUrl: url(), ...impatient });
      assert.equal(error.code, "WORKER_FAILED");
      assert.match(error.message, /could not be started: .|refused to start/);
      assert.ok(error.hint);
      assert.equal(await tab.harness("liveWorkers"), 0);
    });
  }

  it("is forbidden by the page's policy: WORKER_FAILED", { timeout: 10_000 }, async () => {
    const guarded = await browser.newPackagePage({ policy: "no-workers" });
    const { error } = await guarded.harness("load", "it", guarded.url(tiny.checkpoint), { device: "cpu" });
    await guarded.close();
    assert.equal(error.code, "WORKER_FAILED");
    assert.match(error.hint, /worker-src|worker\.js/);
  });
});

describe("a worker that freezes", () => {
  it("with nothing to do: the next call is answered by a new one", LIMIT, async () => {
    await load({ ...faulty("freezes-on-order", 1), ...impatient });
    await tab.harness("tellWorkers", "freeze");
    await tab.page.waitForTimeout(100);
    await assertWorks();
    assert.deepEqual(await tab.harness("struck"), ["freeze"]);
    assert.equal(await tab.harness("workers"), 2);
    assert.equal(await tab.harness("liveWorkers"), 1);
  });

  it("in a call: a new one answers it", LIMIT, async () => {
    await load({ ...faulty("freezes-in-rerank", 1), ...impatient });
    await assertWorks();
    assert.equal(await tab.harness("workers"), 2);
  });

  it("twice in a call: WORKER_FAILED, and the call behind it is tried as well", LIMIT, async () => {
    await load({ ...faulty("freezes-in-rerank", 2), ...impatient });
    const [first, second] = await Promise.all([rerank(), rerank()]);
    assert.equal(first.error.code, "WORKER_FAILED");
    assert.match(first.error.message, /no sign of life for 3 seconds/);
    assertRanked(second, tiny);
  });

  it("in every load: WORKER_FAILED, and no worker is left", LIMIT, async () => {
    const { error } = await load({ ...faulty("freezes-in-load"), ...impatient });
    assert.equal(error.code, "WORKER_FAILED");
    assert.equal(await tab.harness("liveWorkers"), 0);
  });
});

describe("a page that sleeps", () => {
  it("and wakes up, between calls and in the middle of one, has right answers from the same worker", LIMIT, async () => {
    await load(impatient);
    const devtools = await tab.context.newCDPSession(tab.page);
    const sleep = async (milliseconds) => {
      await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      await devtools.send("Page.setWebLifecycleState", { state: "active" });
    };
    for (let round = 0; round < ROUNDS; round++) {
      // One sleep is longer than the silence that is borne.
      const call = rerank();
      await sleep(round === 0 ? 2 * SILENCE : 10 * round);
      assertRanked(await call, tiny);
      await sleep(10 * round);
      await assertWorks();
    }
    assert.equal(await tab.harness("workers"), 1);
  });
});

describe("a wasm module that does not come", () => {
  it("the address answers with a web page: INTEGRITY_FAILED says so", LIMIT, async () => {
    const { error } = await load({ wasmUrl: tab.url("pages/package.html") });
    assert.equal(error.code, "INTEGRITY_FAILED");
    assert.match(error.message, /web page/);
  });

  it("the address answers with 404: HTTP_STATUS", LIMIT, async () => {
    const { error } = await load({ wasmUrl: tab.url("package/absent.wasm") });
    assert.equal(error.code, "HTTP_STATUS");
    assert.match(error.message, /404/);
  });

  it("the policy forbids WebAssembly: WASM_BLOCKED_BY_CSP says what to allow", LIMIT, async () => {
    const guarded = await browser.newPackagePage({ policy: "no-wasm" });
    const { error } = await guarded.harness("load", "it", guarded.url(tiny.checkpoint), { device: "cpu" });
    await guarded.close();
    assert.equal(error.code, "WASM_BLOCKED_BY_CSP");
    assert.match(error.hint, /wasm-unsafe-eval/);
  });
});
