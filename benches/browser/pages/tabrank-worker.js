// The package's own worker, with its calls to WebGPU counted.
import "./gpu-counter.js";
import "/tabrank/worker.js";
