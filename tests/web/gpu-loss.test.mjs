// A GPU that fails after it was found good: the call that meets it is answered rightly all the same.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertFallback, LIMIT, useFaultyGpu } from "./lib/gpu.mjs";

/** What the warning of `auto` says, and whether `webgpu` is tried as well. */
const FAULTS = {
  "destroyed-idle": { warning: /lost/ },
  "lost-idle": { warning: /lost/ },
  "error-idle": { warning: /WebGPU reported an error/, forced: true },
  "destroyed-rerank": { warning: /lost/ },
  "lost-rerank": { warning: /lost/, forced: true },
  "error-rerank": { warning: /WebGPU reported an error/ },
};

const { its, load, assertRightOnCpu, assertRightOnGpu, assertStruck } = useFaultyGpu();

/** With an idle worker the fault strikes now, else at the next work. */
async function strike(fault) {
  await its.tab.harness("tellWorkers", "strike");
  if (fault.endsWith("idle")) await its.tab.page.waitForFunction(() => globalThis.harness.liveWorkers() === 0);
}

describe("a fault after the load", () => {
  for (const [fault, { warning, forced }] of Object.entries(FAULTS)) {
    it(`${fault}: auto falls back to the CPU and names the cause`, LIMIT, async () => {
      assert.equal((await load("auto", fault)).value.device, "webgpu");
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

describe("the browser's GPU process", () => {
  it("crashes between two calls: the second is right", LIMIT, async () => {
    assert.equal((await load("auto", "hardware")).value.device, "webgpu");
    const devtools = await its.browser.browser.newBrowserCDPSession();
    await devtools.send("Browser.crashGpuProcess");
    await its.tab.page.waitForFunction(() => globalThis.harness.liveWorkers() === 0);
    await assertRightOnCpu();
    assertFallback(await its.tab.harness("warnings", "it"), /lost/);
  });
});
