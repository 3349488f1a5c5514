// The buffers that a rerank makes on WebGPU.
import assert from "node:assert/strict";

/**
 * Loads a model on WebGPU in a page of `openBrowser`, and gives a function that reranks: bytes of all buffers that were `made` for it, of the `largest` one, and the
 * `most` that were there at a time, weights included.
 */
export async function openGpuBuffers(browser, path, options = {}) {
  const tab = await browser.newPackagePage();
  const loaded = await tab.harness("load", "it", tab.url(path), { ...options, device: "webgpu", workerUrl: tab.url("pages/counted-worker.js") });
  assert.equal(loaded.error, undefined);
  const inWorker = (work) => tab.page.workers()[0].evaluate(work);
  const sizes = async (query, documents) => {
    await inWorker(() => self.gpuBuffers.restart());
    const { value, error } = await tab.harness("rerank", "it", query, documents, {});
    assert.equal(error, undefined);
    assert.equal(value.device, "webgpu");
    return inWorker(() => ({ ...self.gpuBuffers.sizes }));
  };
  return { tab, sizes };
}
