// The package's worker, with what it asks of WebGPU counted.
import "../bench/gpu-counter.js";
import "../package/worker.js";
