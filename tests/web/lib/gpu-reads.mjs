// What one rerank of a tiny checkpoint reads back from WebGPU, and what it may.
import assert from "node:assert/strict";
import { tinyCase } from "./tiny.mjs";

/** A score is 4 bytes; copies may be rounded up. */
const SCORE_BYTES = 4;
const ROUNDED_UP = 256;

/** Loads the checkpoint on WebGPU in a page of `openBrowser`, and gives a function that reranks: what it reads, and what that may come to at most. `times` repeats the list of documents. */
export async function openGpuReads(browser, name) {
  const tiny = await tinyCase(name);
  const tab = await browser.newPackagePage();
  const { value, error } = await tab.harness("load", "it", tab.url(tiny.checkpoint), { device: "webgpu", workerUrl: tab.url("pages/counted-worker.js") });
  assert.equal(error, undefined);
  const { lengths, rowBytes } = await lengthsOf(tab, tiny, value.model);
  const reads = async (options, times = 1) => {
    const before = await gpuCalls(tab);
    // With spaces that no token is made of: texts that are the same would be encoded once.
    const documents = Array.from({ length: times }, (_, time) => tiny.documents.map((text) => text + " ".repeat(time))).flat();
    const outcome = await tab.harness("rerank", "it", tiny.query, documents, options);
    assert.equal(outcome.error, undefined);
    const after = await gpuCalls(tab);
    const explained = options.explain ? outcome.value.results.map(({ index }) => lengths.documents[index % tiny.documents.length]) : [];
    const rows = explained.length > 0 ? sum(explained) + lengths.query : 0;
    return {
      outcome,
      documents: documents.length,
      tokens: times * sum(lengths.documents) + lengths.query,
      submits: after.submits - before.submits,
      dispatches: after.dispatches - before.dispatches,
      bytes: after.bytesRead - before.bytesRead,
      readBacks: after.readBacks - before.readBacks,
      rowBytes,
      bytesWrittenWhileReading: after.bytesWrittenWhileReading - before.bytesWrittenWhileReading,
      dispatchesWhileReading: after.dispatchesWhileReading - before.dispatchesWhileReading,
      most: SCORE_BYTES * documents.length + rows * rowBytes + ROUNDED_UP * (1 + explained.length),
      everything: (times * sum(lengths.documents) + lengths.query) * rowBytes,
    };
  };
  return { tab, tiny, reads };
}

async function lengthsOf(tab, tiny, { dimension }) {
  const query = await tab.harness("lengths", "it", "encodeQuery", tiny.query);
  const documents = await tab.harness("lengths", "it", "encodeDocuments", tiny.documents);
  return { lengths: { query: query[0], documents }, rowBytes: 4 * dimension };
}

function gpuCalls({ page }) {
  return page.workers()[0].evaluate(() => ({ ...self.gpuCalls }));
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
