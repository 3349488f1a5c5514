// What the apps are opened with: a browser, and the server that has what was built.
import { after, before } from "node:test";
import { launch } from "../../web/lib/browser.mjs";
import { serve } from "../../web/lib/server.mjs";

/** How the apps load the model, and the same with addresses of their own for the package's files. */
export const LOAD = 'Reranker.load("model/"';
export const NAMED = `${LOAD}, { workerUrl: "tabrank/worker.js", wasmUrl: "tabrank/tabrank.wasm" }`;

/** `browser` and `server`, for as long as a file's tests run. */
export function openSite() {
  const site = {};
  before(async () => {
    [site.browser, site.server] = await Promise.all([launch({ webgpu: false }), serve()]);
  });
  after(async () => {
    await site.browser?.close();
    await site.server?.close();
  });
  return site;
}
