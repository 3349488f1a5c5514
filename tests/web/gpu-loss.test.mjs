// A GPU that fails after it was found good: the call that meets it is answered rightly all the same.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertFallback, LIMIT, useFaultyGpu } from "./lib/gpu.mjs";
import { tinyVectors } from "./lib/tiny-vectors.mjs";

/** What the warning of `auto` says once the GPU is left alone, and whether `webgpu` is tried as well. */
const LOSSES = {
  "destroyed-idle": { warning: /lost/ },
  "lost-idle": { warning: /lost/ },
  "error-idle": { warning: /WebGPU reported an error/, forced: true },
  "destroyed-rerank": { warning: /lost/ },
  "lost-rerank": { warning: /lost/, forced: true },
  "error-rerank": { warning: /WebGPU reported an error/ },
};

const { its, load, assertRightOnCpu, assertRightOnGpu, assertStruck } = useFaultyGpu();

const noWorker = () => its.tab.page.waitForFunction(() => globalThis.harness.liveWorkers() === 0);

/** With an idle worker the fault strikes now, else at the next work. */
async function strike(fault) {
  await its.tab.harness("tellWorkers", "strike");
  if (fault.endsWith("idle")) await noWorker();
}

describe("a loss after the load", () => {
  for (const [fault, { warning, forced }] of Object.entries(LOSSES)) {
    it(`${fault}: auto sets the GPU up again, and after a second one falls back to the CPU and names the cause`, LIMIT, async () => {
      assert.equal((await load("auto", fault)).value.device, "webgpu");
      await strike(fault);
      await assertRightOnGpu();
      await assertStruck();
      assert.deepEqual((await its.tab.harness("warnings", "it")).filter(({ code }) => code === "WEBGPU_FALLBACK"), []);
      await strike(fault);
      await assertRightOnCpu();
      await assertStruck();
      assertFallback(await its.tab.harness("warnings", "it"), warning);
    });

    if (!forced) continue;
    it(`${fault}: webgpu goes on with a new device`, LIMIT, async () => {
      assert.equal((await load("webgpu", fault, { lives: 1 })).value.device, "webgpu");
      await strike(fault);
      await assertRightOnGpu();
      await assertStruck();
    });
  }
});

describe("a GPU that falls silent in a call", () => {
  it("auto falls back to the CPU at once, and names the step", LIMIT, async () => {
    assert.equal((await load("auto", "silent-rerank")).value.device, "webgpu");
    await strike("silent-rerank");
    await assertRightOnCpu();
    await assertStruck();
    assertFallback(await its.tab.harness("warnings", "it"), /no answer for 30 seconds, at a read-back/);
  });

  it("webgpu goes on with a new device, and fails with TIMEOUT where that one is silent too", LIMIT, async () => {
    assert.equal((await load("webgpu", "silent-rerank", { lives: 1 })).value.device, "webgpu");
    await strike("silent-rerank");
    await assertRightOnGpu();
    await assertStruck();
    assert.equal((await load("webgpu", "silent-load")).error.code, "TIMEOUT");
  });
});

describe("a GPU that is lost for good", () => {
  it("embeddings that the GPU made are not scored on the CPU", LIMIT, async () => {
    const documents = () => its.tiny.documents.slice(0, 1);
    const ranked = async () => (await its.tab.harness("rerank", "it", its.tiny.query, documents())).value;
    await load("cpu", "silent-rerank", { vectorCache: true });
    const onCpu = await ranked();
    assert.equal((await load("auto", "silent-rerank", { vectorCache: true })).value.device, "webgpu");
    await ranked();
    assert.equal((await ranked()).timings.cacheHits, 1);
    await strike("silent-rerank");
    const { results, timings, device } = await ranked();
    await assertStruck();
    assert.deepEqual([device, timings.cacheHits, results], ["cpu", 0, onCpu.results]);
    assert.equal((await ranked()).timings.cacheHits, 1);
  });
});

describe("a GPU that was right at the load", () => {
  const answer = /embeddings .*differ from its own at the load by .*, in use/;

  it("wrong later on: auto falls back to the CPU and names the cause", LIMIT, async () => {
    assert.equal((await load("auto", "wrong-after-sleep")).value.device, "webgpu");
    await assertRightOnGpu();
    await its.tab.harness("tellWorkers", "strike");
    await its.tab.page.waitForFunction(() => globalThis.harness.struck().length > 0);
    await assertRightOnCpu();
    assertFallback(await its.tab.harness("warnings", "it"), answer);
  });
});

describe("a GPU that reads codes wrongly, and nothing else", () => {
  it("is found out before documents are scored by them: auto falls back to the CPU and names the cause", LIMIT, async () => {
    const list = its.tab.url(tinyVectors(its.tiny).int8.list);
    const ranked = async () => (await its.tab.harness("rerankList", "it", its.tiny.query, { list }, {})).value;
    await load("cpu", "hardware");
    const onCpu = await ranked();
    assert.equal((await load("auto", "wrong-codes")).value.device, "webgpu");
    await assertRightOnGpu();
    const { device, results } = await ranked();
    await assertStruck();
    assert.deepEqual([device, results], ["cpu", onCpu.results]);
    assertFallback(await its.tab.harness("warnings", "it"), /scores of codes are off by .*, int8/);
  });
});

describe("the browser's GPU process", () => {
  it("crashes between calls: the next ones are right, on the GPU and then on the CPU", LIMIT, async () => {
    assert.equal((await load("auto", "hardware")).value.device, "webgpu");
    const devtools = await its.browser.browser.newBrowserCDPSession();
    for (const assertRight of [assertRightOnGpu, assertRightOnCpu]) {
      await devtools.send("Browser.crashGpuProcess");
      await noWorker();
      await assertRight();
    }
    assertFallback(await its.tab.harness("warnings", "it"), /lost/);
  });
});
