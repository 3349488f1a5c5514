// Counts what a worker asks of WebGPU, in `self.gpuCalls`. A worker imports it before anything that may use the GPU.
// Only buffers that are mapped can be read, and only copies fill those: what is copied there is what is read, however large the buffers themselves are.
const calls = { dispatches: 0, submits: 0, readBacks: 0, bytesRead: 0, bytesWritten: 0, dispatchesWhileReading: 0, bytesWrittenWhileReading: 0 };
self.gpuCalls = calls;
let reading = 0;

if (typeof GPUQueue !== "undefined") {
  count(GPUComputePassEncoder.prototype, "dispatchWorkgroups", "dispatches");
  count(GPUComputePassEncoder.prototype, "dispatchWorkgroupsIndirect", "dispatches");
  count(GPUQueue.prototype, "submit", "submits");
  count(GPUComputePassEncoder.prototype, "dispatchWorkgroups", "dispatchesWhileReading", () => Number(reading > 0));
  count(GPUBuffer.prototype, "mapAsync", "readBacks", (mode) => Number(mode === GPUMapMode.READ));
  watchReads();
  count(GPUCommandEncoder.prototype, "copyBufferToBuffer", "bytesRead", bytesForReading);
  count(GPUQueue.prototype, "writeBuffer", "bytesWritten", bytesOfWriting);
  count(GPUQueue.prototype, "writeBuffer", "bytesWrittenWhileReading", (...values) => (reading > 0 ? bytesOfWriting(...values) : 0));
}

function count(prototype, method, name, amount = () => 1) {
  const original = prototype[method];
  prototype[method] = function (...values) {
    calls[name] += amount(...values);
    return original.apply(this, values);
  };
}

/** Knows how many buffers are on their way back. */
function watchReads() {
  const original = GPUBuffer.prototype.mapAsync;
  GPUBuffer.prototype.mapAsync = function (...values) {
    reading += 1;
    return original.apply(this, values).finally(() => (reading -= 1));
  };
}

/** Of either form: (source, target, size?) or (source, start, target, start, size?). */
function bytesForReading(source, ...rest) {
  const [from, target, , size] = rest[0] instanceof GPUBuffer ? [0, rest[0], 0, rest[1]] : rest;
  return target.usage & GPUBufferUsage.MAP_READ ? (size ?? source.size - from) : 0;
}

/** Places and sizes count in elements of a typed array. */
function bytesOfWriting(buffer, offset, data, start = 0, size = data.length - start) {
  return size * data.BYTES_PER_ELEMENT;
}
