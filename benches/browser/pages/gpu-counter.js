// Counts what a worker asks of WebGPU, in `self.gpuCalls`. A worker imports it before anything that may use the GPU.
const calls = { dispatches: 0, submits: 0, readBacks: 0 };
self.gpuCalls = calls;

if (typeof GPUQueue !== "undefined") {
  count(GPUComputePassEncoder.prototype, "dispatchWorkgroups", "dispatches");
  count(GPUComputePassEncoder.prototype, "dispatchWorkgroupsIndirect", "dispatches");
  count(GPUQueue.prototype, "submit", "submits");
  count(GPUBuffer.prototype, "mapAsync", "readBacks", (mode) => mode === GPUMapMode.READ);
}

function count(prototype, method, name, counts = () => true) {
  const original = prototype[method];
  prototype[method] = function (...values) {
    if (counts(...values)) calls[name] += 1;
    return original.apply(this, values);
  };
}
