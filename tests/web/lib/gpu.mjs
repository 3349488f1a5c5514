// A page whose workers have a GPU that is faulty in a chosen way.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach } from "node:test";
import { openBrowser } from "./package.mjs";
import { needPackage } from "./paths.mjs";
import { assertRanked, tinyCase } from "./tiny.mjs";

/** Nothing may hang; a test that takes longer than this does. */
export const LIMIT = { timeout: 120_000 };

/** A software adapter that passes for a GPU as fast as the CPU, with short limits on waiting. */
const TRUSTED = ["hardware", "even-clock", "hasty"];

/** Opens a browser for the file and a page for each test. */
export function useFaultyGpu() {
  const its = {};
  before(async () => {
    needPackage();
    its.tiny = await tinyCase("plain");
    its.browser = await openBrowser({ webgpu: true });
  });
  after(() => its.browser?.close());
  beforeEach(async () => {
    its.tab = await its.browser.newPackagePage();
  });
  afterEach(() => its.tab?.close());
  return { ...actions(its), its };
}

function actions(its) {
  const rerank = (documents) => its.tab.harness("rerank", "it", its.tiny.query, documents);
  return {
    /** `lives`: how many workers have the fault; all of them by default. `dtype`: what the weights are converted into. `checkpoint`: another than the plain one. */
    load: (device, fault, { always = TRUSTED, lives, dtype, checkpoint = its.tiny.checkpoint, vectorCache } = {}) => {
      const query = [...always.map((name) => ["always", name]), ["fault", fault]];
      if (lives) query.push(["lives", lives]);
      return its.tab.harness("load", "it", its.tab.url(checkpoint), { device, dtype, vectorCache, workerUrl: its.tab.faultyWorker(query) });
    },
    assertRightOnCpu: async () => {
      assertRanked(await rerank(its.tiny.documents), its.tiny);
      assert.equal(await its.tab.harness("device", "it"), "cpu");
    },
    /** One text has the shape that the load has checked: each new one costs the software adapter seconds. */
    assertRightOnGpu: async () => {
      const documents = its.tiny.documents.slice(0, 1);
      assertRanked(await rerank(documents), { ...its.tiny, documents }, 1e-3);
      assert.equal(await its.tab.harness("device", "it"), "webgpu");
    },
    assertStruck: async () => assert.notDeepEqual(await its.tab.harness("struck"), [], "the fault did not strike"),
  };
}

/** Whether the warnings hold one fallback, of this cause and not because the GPU is slow. */
export function assertFallback(warnings, cause) {
  const fallbacks = warnings.filter(({ code }) => code === "WEBGPU_FALLBACK");
  assert.equal(fallbacks.length, 1, JSON.stringify(warnings));
  assert.match(fallbacks[0].message, cause);
  assert.doesNotMatch(fallbacks[0].message, /slower/);
}
