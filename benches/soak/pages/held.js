// What the worker holds of memory and of a GPU, in `self.held()`, and how it comes to harm when it is told to. Imported before anything that may use either.
import { buffers } from "../pages/gpu-buffers.js";
import { wrap } from "../pages/patch.js";

const channel = new BroadcastChannel("soak");
const memories = [];
const devices = [];
const times = { adapter: [], device: [], submit: [], readBack: [] };

self.held = async () => {
  await sweep();
  return {
    wasm: memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0),
    buffers: buffers.size,
    bytes: [...buffers.values()].reduce((sum, size) => sum + size, 0),
    devices: devices.length,
    times: Object.fromEntries(Object.entries(times).map(([step, taken]) => [step, taken.splice(0)])),
  };
};

/** Of what is swept up word comes a task later. */
async function sweep() {
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

channel.onmessage = ({ data }) => {
  if (!Object.hasOwn(HARM, data.order)) return;
  channel.postMessage({ struck: data.order });
  HARM[data.order]();
};

const HARM = {
  die() {
    throw new WebAssembly.RuntimeError("told to by the soak");
  },
  lose() {
    devices.at(-1)?.destroy();
  },
};

wrap(WebAssembly, "instantiate", async (instantiate, ...parameters) => {
  const result = await instantiate(...parameters);
  memories.push((result.instance ?? result).exports.memory);
  return result;
});

if (typeof GPUDevice !== "undefined") {
  timed(GPU.prototype, "requestAdapter", "adapter");
  timed(GPUAdapter.prototype, "requestDevice", "device");
  timed(GPUBuffer.prototype, "mapAsync", "readBack");
  countDevices();
  timeSubmits();
}

function timed(prototype, method, step) {
  wrap(prototype, method, async (ask, ...parameters) => {
    const begin = performance.now();
    const answer = await ask(...parameters);
    times[step].push(performance.now() - begin);
    return answer;
  });
}

function countDevices() {
  wrap(GPUAdapter.prototype, "requestDevice", async (request, ...parameters) => {
    const device = await request(...parameters);
    devices.push(device);
    void device.lost.then(() => devices.splice(devices.indexOf(device), 1));
    return device;
  });
}

/** From the moment that work is handed over to its end, what waits in front of it included. */
function timeSubmits() {
  const { submit, onSubmittedWorkDone } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (commands) {
    const begin = performance.now();
    submit.call(this, commands);
    onSubmittedWorkDone.call(this).then(() => times.submit.push(performance.now() - begin), () => {});
  };
}
