// The wasm module in a page of its own.
import { launch, openPage } from "./browser.mjs";
import { serve } from "./server.mjs";

/** The module with both devices. */
export const BOTH = "tabrank_gpu_bg.wasm";

/** `call(name, ...)` calls a function of pages/engine-worker.js. `module` names another wasm file than the plain one, or where there is WebGPU the one with both devices. */
export async function openEngine({ module, ...options }) {
  module ??= options.webgpu ? BOTH : "tabrank_bg.wasm";
  const server = await serve();
  const browser = await launch(options);
  const { page } = await openPage(await browser.newContext(), server.url(`${module === BOTH ? "both" : "open"}/pages/engine.html?module=${module}`));
  return {
    url: (path) => server.url(`open/${path}`),
    call: (name, ...parameters) => page.evaluate(([name, parameters]) => globalThis.engine(name, ...parameters), [name, parameters]),
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
