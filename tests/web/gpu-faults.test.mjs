// The GPU is not trusted: whatever it lacks, refuses or gets wrong while a model loads, the numbers are right or the error is typed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertFallback, LIMIT, useFaultyGpu } from "./lib/gpu.mjs";

/** What a fault makes of `auto` (the warning's text) and of `webgpu` (the error's code), where the two take different ways. */
const FAULTS = {
  "no-gpu": { warning: /no WebGPU/, code: /^WEBGPU_UNAVAILABLE$/ },
  "no-adapter": { warning: /no WebGPU adapter/, code: /^WEBGPU_UNAVAILABLE$/ },
  "no-timestamps": { warning: /timestamp-query/, code: /^WEBGPU_UNAVAILABLE$/ },
  "no-device": { warning: /refused by the test/, code: /^WEBGPU_UNAVAILABLE$/ },
  "invalid-shader": { warning: /undeclared|invalid|differ/i, code: /^(DEVICE_LOST|DEVICE_REJECTED)$/ },
  "wrong-product": { warning: /embeddings differ from the CPU's .* in run 1/, code: /^DEVICE_REJECTED$/ },
  "wrong-activation": { warning: /embeddings differ from the CPU's .* in run 1/ },
  "wrong-later": { warning: /differ from the CPU's .* in run 2/, code: /^DEVICE_REJECTED$/ },
  "not-finite": { warning: /not finite/, code: /^DEVICE_REJECTED$/ },
  "destroyed-load": { warning: /lost/ },
  "lost-load": { warning: /lost/, code: /^DEVICE_LOST$/ },
  "error-load": { warning: /WebGPU reported an error/, code: /^DEVICE_LOST$/ },
  "silent-adapter": { warning: /gave no WebGPU adapter within 10 seconds/, code: /^WEBGPU_UNAVAILABLE$/ },
  "silent-adapter-later": { warning: /WebGPU is not available.*adapter/ },
  "silent-device": { warning: /gave no WebGPU device within 10 seconds/, code: /^WEBGPU_UNAVAILABLE$/ },
  "silent-load": { warning: /no answer for 30 seconds, at a read-back, in the phase "check"/, code: /^TIMEOUT$/ },
};

const { its, load, assertRightOnCpu, assertRightOnGpu, assertStruck } = useFaultyGpu();

describe("without a fault", () => {
  it("a GPU that is right and not slow is used", LIMIT, async () => {
    const { value } = await load("auto", "hardware");
    assert.equal(value.device, "webgpu", JSON.stringify(value.warnings));
    await assertRightOnGpu();
  });

  it("a GPU that is slower than the CPU is given up, with both figures", LIMIT, async () => {
    const { value } = await load("auto", "hardware", { always: ["slowing-clock"] });
    assert.match(value.warnings.map(({ message }) => message).join(), /slower than the CPU: \d+ ms against \d+ ms/);
    await assertRightOnCpu();
  });

  it("which kernel is the fastest is measured once, and then known", LIMIT, async () => {
    const kernel = async () => (await load("webgpu", "hardware", { always: ["hardware"] })).value.gpuKernel;
    const { variant, trials } = await kernel();
    assert.equal(trials[0].variant, variant);
    for (const { ms } of trials) assert.ok(ms > 0);
    assert.deepEqual(await kernel(), { variant, trials: [] });
  });

  for (const fault of ["wrong-tiles", "invalid-tiles"]) {
    it(`${fault}: kernels that are bad are passed over, and not the GPU`, LIMIT, async () => {
      const { value, error } = await load("webgpu", fault, { always: ["hardware"] });
      assert.equal(error, undefined);
      await assertStruck();
      const tried = value.gpuKernel.trials.map(({ variant }) => variant);
      assert.ok(tried.includes("registers") && !tried.some((variant) => /\dx\d/.test(variant)), tried.join());
    });
  }

  it("a GPU in software is not tried", LIMIT, async () => {
    const { value } = await its.tab.harness("load", "it", its.tab.url(its.tiny.checkpoint), { device: "auto" });
    assert.match(value.warnings.map(({ message }) => message).join(), /software/);
    await assertRightOnCpu();
  });
});

describe("a GPU that was found bad", () => {
  for (const fault of ["wrong-product", "silent-device", "silent-load"]) {
    it(`${fault}: the next load in auto does without it, and says since when; one by name tries it`, LIMIT, async () => {
      await load("auto", fault);
      await assertStruck();
      const { value } = await load("auto", "hardware");
      assert.equal(value.device, "cpu");
      assertFallback(value.warnings, /(seconds|differ).* \(found on \d{4}-\d\d-\d\d, and tried again after 7 days\)/);
      assert.equal((await load("webgpu", "hardware")).value.device, "webgpu");
    });
  }

  it("slow: is tried again", LIMIT, async () => {
    await load("auto", "hardware", { always: ["slowing-clock"] });
    assert.equal((await load("auto", "hardware")).value.device, "webgpu");
  });
});

describe("a weight that arrives otherwise than it was sent", () => {
  const HARMS = { f32: ["zeroed-row-1", "zeroed-row-4", "zeroed-row-8"], q8: ["zeroed-upload-1", "zeroed-upload-4", "zeroed-upload-8"] };

  for (const [dtype, harms] of Object.entries(HARMS)) {
    for (const harm of harms) {
      it(`${harm} in ${dtype}: the check finds it`, LIMIT, async () => {
        const { value } = await load("auto", harm, { dtype });
        await assertStruck();
        assertFallback(value.warnings, /embeddings differ from the CPU's .* in run 1/);
      });
    }
  }
});

describe("places that are computed wrongly", () => {
  // Its heads are wide, and so are its shaders, which take a software adapter seconds to compile.
  const patient = { checkpoint: "fixtures/modernbert-wide/checkpoint/", always: ["hardware", "even-clock"] };

  it("a GPU that is right is used", LIMIT, async () => {
    const { value } = await load("auto", "hardware", patient);
    assert.equal(value.device, "webgpu", JSON.stringify(value.warnings));
  });

  for (const fault of ["wrong-rotation", "wrong-window"]) {
    it(`${fault}: the check finds it`, LIMIT, async () => {
      const { value } = await load("auto", fault, patient);
      await assertStruck();
      assertFallback(value.warnings, /embeddings differ from the CPU's .* in run 1/);
    });
  }
});

describe("a fault in the load", () => {
  for (const [fault, { warning, code }] of Object.entries(FAULTS)) {
    it(`${fault}: auto falls back to the CPU and names the cause`, LIMIT, async () => {
      const { value, error } = await load("auto", fault);
      assert.equal(error, undefined);
      await assertStruck();
      assert.equal(value.device, "cpu");
      assertFallback(value.warnings, warning);
      await assertRightOnCpu();
    });

    if (!code) continue;
    it(`${fault}: webgpu fails with a typed error`, LIMIT, async () => {
      const { error } = await load("webgpu", fault);
      await assertStruck();
      assert.equal(error.isOurs, true);
      assert.match(error.code, code);
      assert.ok(error.hint);
      assert.equal(await its.tab.harness("liveWorkers"), 0);
    });
  }
});
