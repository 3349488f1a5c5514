/** The worker's script: joins the glue of the wasm modules, the GPU watch and the message port to the dispatcher. */

import * as cpu from "../../wasm/tabrank.js";
import * as both from "../../wasm/tabrank_gpu.js";
import * as images from "../../wasm/tabrank_images.js";
import type { ToWorker } from "../protocol.js";
import { Decoder } from "./decoder.js";
import { Dispatcher } from "./dispatcher.js";
import { watchGpu } from "./gpu.js";
import { type Scope, threadScope } from "./thread-scope.js";

declare const self: DedicatedWorkerGlobalScope;

const scope = typeof self === "undefined" ? threadScope() : webScope();

const dispatcher = new Dispatcher({ cpu: { ...cpu, init: cpu.default }, both: { ...both, init: both.default } }, scope.post, new Decoder({ ...images, init: images.default }));

watchGpu({ failed: (message, discarded) => dispatcher.gpuFailed(message, discarded), silent: (message) => dispatcher.gpuSilent(message) });

scope.onMessage((message) => dispatcher.receive(message));

scope.onFailure((error) => dispatcher.failed(error));

function webScope(): Scope {
  return {
    post: (message, transfer) => self.postMessage(message, transfer),
    onMessage: (listener) => self.addEventListener("message", (event: MessageEvent<ToWorker>) => listener(event.data)),
    // Failures of the engine's own tasks: they reach the page as messages, so the console need not show them too.
    onFailure: (listener) => {
      self.addEventListener("error", (event) => {
        event.preventDefault();
        listener(event.error);
      });
      self.addEventListener("unhandledrejection", (event) => {
        event.preventDefault();
        listener(event.reason);
      });
    },
  };
}
