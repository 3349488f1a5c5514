// The GPU is not trusted: whatever it lacks, refuses, loses or gets wrong, the numbers are right or the error is typed.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openBrowser } from "./lib/package.mjs";
import { needPackage } from "./lib/paths.mjs";
import { assertRanked, tinyCase } from "./lib/tiny.mjs";

// Nothing may hang; a test that takes longer than this does.
const LIMIT = { timeout: 120_000 };

/** What a fault makes of `auto` (the warning's text) and of `webgpu` (the error's code), where the two take different ways. */
const AT_LOAD = {
  "no-gpu": { warning: /no WebGPU/, code: /^WEBGPU_UNAVAILABLE$/ },
  "no-adapter": { warning: /no WebGPU adapter/, code: /^WEBGPU_UNAVAILABLE$/ },
  "no-timestamps": { warning: /timestamp-query/, code: /^WEBGPU_UNAVAILABLE$/ },
  "no-device": { warning: /refused by the test/, code: /^WEBGPU_UNAVAILABLE$/ },
  "invalid-shader": { warning: /undeclared|invalid|differ/i, code: /^(DEVICE_LOST|DEVICE_REJECTED)$/ },
  "wrong-product": { warning: /embeddings differ from the CPU's .* in run 1/, code: /^DEVICE_REJECTED$/ },
  "wrong-activation": { warning: /embeddings differ from the CPU's .* in run 1/ },
  "wrong-scores": { warning: /scores that differ from the CPU's .* in run 1/ },
  "wrong-later": { warning: /differ from the CPU's .* in run 2/, code: /^DEVICE_REJECTED$/ },
  "not-finite": { warning: /not finite/, code: /^DEVICE_REJECTED$/ },
  "destroyed-load": { warning: /lost/ },
  "lost-load": { warning: /lost/, code: /^DEVICE_LOST$/ },
  "error-load": { warning: /WebGPU reported an error/, code: /^DEVICE_LOST$/ },
};

/** What the warning of `auto` says, and whether `webgpu` is to be tried as well. */
const AFTER_LOAD = {
  "destroyed-idle": { warning: /lost/ },
  "lost-idle": { warning: /lost/ },
  "error-idle": { warning: /WebGPU reported an error/, forced: true },
  "destroyed-rerank": { warning: /lost/ },
  "lost-rerank": { warning: /lost/, forced: true },
  "error-rerank": { warning: /WebGPU reported an error/ },
};

let browser;
let tab;
let tiny;
before(async () => {
  needPackage();
  tiny = await tinyCase("plain");
  browser = await openBrowser({ webgpu: true });
});
after(() => browser?.close());
beforeEach(async () => {
  tab = await browser.newPackagePage();
});
afterEach(() => tab?.close());

function load(device, fault, lives) {
  const query = [["always", "hardware"], ["always", "even-clock"], ["fault", fault]];
  if (lives) query.push(["lives", lives]);
  return loadWith(device, query);
}

function loadWith(device, query) {
  return tab.harness("load", "it", tab.url(tiny.checkpoint), { device, workerUrl: tab.faultyWorker(query) });
}

const rerank = () => tab.harness("rerank", "it", tiny.query, tiny.documents);

/** One text has the shape that the load has checked: each new one costs the software adapter seconds. */
async function assertRightOnGpu() {
  const one = { ...tiny, documents: tiny.documents.slice(0, 1) };
  assertRanked(await tab.harness("rerank", "it", one.query, one.documents), one, 1e-3);
  assert.equal(await tab.harness("device", "it"), "webgpu");
}

async function assertInjected() {
  assert.notDeepEqual(await tab.harness("injected"), [], "the fault did not strike");
}

async function assertFallback(warnings, cause) {
  const fallbacks = warnings.filter(({ code }) => code === "WEBGPU_FALLBACK");
  assert.equal(fallbacks.length, 1, JSON.stringify(warnings));
  assert.match(fallbacks[0].message, cause);
  assert.doesNotMatch(fallbacks[0].message, /slower/);
}

describe("without a fault", () => {
  it("a GPU that is right and not slow is used", LIMIT, async () => {
    const { value } = await load("auto", "hardware");
    assert.equal(value.device, "webgpu", JSON.stringify(value.warnings));
    await assertRightOnGpu();
  });

  it("a GPU that is slower than the CPU is given up, with both figures", LIMIT, async () => {
    const { value } = await loadWith("auto", [["always", "hardware"], ["always", "slowing-clock"]]);
    assert.equal(value.device, "cpu");
    assert.match(value.warnings.map(({ message }) => message).join(), /slower than the CPU: \d+ ms against \d+ ms/);
    assertRanked(await rerank(), tiny);
  });

  it("a GPU in software is not tried", LIMIT, async () => {
    const { value } = await tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "auto" });
    assert.equal(value.device, "cpu");
    assert.match(value.warnings.map(({ message }) => message).join(), /software/);
  });
});

describe("a fault in the load", () => {
  for (const [fault, { warning, code }] of Object.entries(AT_LOAD)) {
    it(`${fault}: auto falls back to the CPU and names the cause`, LIMIT, async () => {
      const { value, error } = await load("auto", fault);
      assert.equal(error, undefined);
      await assertInjected();
      assert.equal(value.device, "cpu");
      await assertFallback(value.warnings, warning);
      assertRanked(await rerank(), tiny);
    });

    if (!code) continue;
    it(`${fault}: webgpu fails with a typed error`, LIMIT, async () => {
      const { error } = await load("webgpu", fault);
      await assertInjected();
      assert.equal(error.isOurs, true);
      assert.match(error.code, code);
      assert.ok(error.hint);
      assert.equal(await tab.harness("liveWorkers"), 0);
    });
  }
});

describe("a fault after the load", () => {
  for (const [fault, { warning, forced }] of Object.entries(AFTER_LOAD)) {
    it(`${fault}: auto falls back to the CPU, and the call is right`, LIMIT, async () => {
      assert.equal((await load("auto", fault)).value.device, "webgpu");
      await tab.harness("tellWorkers", "strike");
      if (fault.endsWith("idle")) await tab.page.waitForFunction(() => globalThis.harness.liveWorkers() === 0);
      assertRanked(await rerank(), tiny);
      await assertInjected();
      assert.equal(await tab.harness("device", "it"), "cpu");
      await assertFallback(await tab.harness("warnings", "it"), warning);
    });

    if (!forced) continue;
    it(`${fault}: webgpu recovers with a new device`, LIMIT, async () => {
      assert.equal((await load("webgpu", fault, 1)).value.device, "webgpu");
      await tab.harness("tellWorkers", "strike");
      if (fault.endsWith("idle")) await tab.page.waitForFunction(() => globalThis.harness.liveWorkers() === 0);
      await assertRightOnGpu();
      await assertInjected();
    });
  }
});
