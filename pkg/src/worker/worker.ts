/** The worker's script: joins the wasm glue, the GPU watch and the message port to the dispatcher. */

import init, { Checkpoint, checkOperations, convert, DocumentVectors, Engine, onPanic, ResidualCodecHandle, ScoredDocuments, simd } from "../../wasm/tabrank.js";
import type { ToWorker } from "../protocol.js";
import { Dispatcher } from "./dispatcher.js";
import { watchGpu } from "./gpu.js";

declare const self: DedicatedWorkerGlobalScope;

const dispatcher = new Dispatcher({ init, onPanic, simd, Checkpoint, checkOperations, convert, DocumentVectors, ResidualCodecHandle, ScoredDocuments, Engine }, (message, transfer) => self.postMessage(message, transfer));

watchGpu({ failed: (message, discarded) => dispatcher.gpuFailed(message, discarded), silent: (message) => dispatcher.gpuSilent(message) });

self.addEventListener("message", (event: MessageEvent<ToWorker>) => dispatcher.receive(event.data));

// Failures of the engine's own tasks: they reach the page as messages, so the console need not show them too.
self.addEventListener("error", (event) => {
  event.preventDefault();
  dispatcher.failed(event.error);
});
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  dispatcher.failed(event.reason);
});
