// The package's worker, with what it asks of WebGPU counted, and the buffers that it makes in `self.gpuBuffers`.
import "../bench/gpu-counter.js";
import { restart, sizes } from "./gpu-buffers.js";
import "../package/worker.js";

self.gpuBuffers = { sizes, restart };
