// Ways in which a browser's WebGPU may be absent, fail, or compute wrong numbers.
import { replaceGetter, wrap } from "./patch.js";
import { changeAfterFirstRun, changeOnOrder, changeShaders, invalid, tiles, wrongActivation, wrongCodes, wrongProduct, wrongRoot, wrongRotation, wrongWindow } from "./shader-faults.js";

/** The software adapter passes for a GPU, so that `auto` tries it. */
function hardware() {
  replaceGetter(GPUAdapterInfo.prototype, "isFallbackAdapter", () => false);
}

/** What a machine sees that slept for an hour. */
function sleep({ onOrder, struck }) {
  let slept = 0;
  onOrder(() => {
    slept = 3_600_000;
    struck("slept");
  });
  for (const clock of [Date, performance]) {
    const now = clock.now.bind(clock);
    clock.now = () => now() + slept;
  }
}

/** Bytes of the smallest upload that counts as a weight's: LayerNorms, biases and scales of the tiny checkpoints have fewer. */
const WEIGHT = 1_024;

/** Of weights that are put on the GPU number `count`, from 1, arrives otherwise: `change` gets a copy of its bytes. */
function badUpload(count, change) {
  return ({ struck }) => {
    let weights = 0;
    wrap(GPUQueue.prototype, "writeBuffer", (write, buffer, offset, data, start = 0, size = data.length - start) => {
      if (size < WEIGHT || ++weights !== count) return write(buffer, offset, data, start, size);
      const bytes = data.slice(start, start + size);
      change(bytes);
      struck(`upload ${count}`);
      return write(buffer, offset, bytes);
    });
  };
}

/** The first, the last, and one between of the weights of a tiny checkpoint's two layers: each has four. */
const UPLOADS = [1, 4, 8];

/** Right at the load and for a while after it; then the machine sleeps. */
function wrongAfterSleep(test) {
  sleep(test);
  changeOnOrder(wrongActivation, test);
}

/** Makes each look at a clock come `step` milliseconds later than the one before, and each step longer by `growth`. */
function strangeClock(step, growth) {
  for (const clock of [Date, performance]) {
    let now = clock.now();
    let next = step;
    clock.now = () => (now += next += growth);
  }
}

function noGpu({ struck }) {
  replaceGetter(WorkerNavigator.prototype, "gpu", () => {
    struck("no gpu");
    return undefined;
  });
}

function noAdapter({ struck }) {
  GPU.prototype.requestAdapter = async () => {
    struck("no adapter");
    return null;
  };
}

/** Timers go faster, so that limits on waiting are short. */
function hasty() {
  const { setInterval } = globalThis;
  globalThis.setInterval = (task, period) => setInterval(task, period / 20);
}

/** A question that is never answered: the one of this number, counted from the test's order if there is one to wait for, and those after it. `owner` names an interface. */
function silent(owner, method, count, isOrdered) {
  return ({ struck, onOrder }) => {
    let left = isOrdered ? Infinity : count;
    if (isOrdered) onOrder(() => (left = count));
    wrap(globalThis[owner].prototype, method, (ask, ...parameters) => {
      if (--left > 0) return ask(...parameters);
      struck(`silent ${method}`);
      return new Promise(() => {});
    });
  };
}

function noTimestamps({ struck }) {
  replaceGetter(GPUAdapter.prototype, "features", (features) => {
    struck("no timestamps");
    return new Set([...features].filter((feature) => feature !== "timestamp-query"));
  });
}

function noDevice({ struck }) {
  GPUAdapter.prototype.requestDevice = async () => {
    struck("no device");
    throw new DOMException("refused by the test", "OperationError");
  };
}

/** Calls `strike` with each device as it comes. */
function eachDevice(strike) {
  wrap(GPUAdapter.prototype, "requestDevice", async (request, descriptor) => {
    const device = await request(descriptor);
    strike(device);
    return device;
  });
}

/** Calls `strike` once, when work number `count` is submitted, counted from the test's order if there is one to wait for. */
function atSubmission(count, onOrder, strike) {
  let left = onOrder ? Infinity : count;
  onOrder?.(() => (left = count));
  wrap(GPUQueue.prototype, "submit", (submit, buffers) => {
    if (--left === 0) strike();
    return submit(buffers);
  });
}

function strikeAt(name, when, harm) {
  return (test) => {
    let device;
    eachDevice((made) => (device = made));
    const strike = () => {
      test.struck(name);
      harm(device);
    };
    if (when === "idle") test.onOrder(strike);
    else if (when === "load") atSubmission(2, undefined, strike);
    else atSubmission(1, test.onOrder, strike);
  };
}

const destroy = (device) => device.destroy();

/** What a driver's reset looks like: only then is the reason not `destroyed`. */
function crashes(fault) {
  return (test) => {
    replaceGetter(GPUDevice.prototype, "lost", async (lost) => {
      const { message } = await lost;
      return { reason: "unknown", message };
    });
    fault(test);
  };
}

/** A buffer that is for nothing is an error that nobody waits for; it is noticed with the next work that is submitted. */
function offend(device) {
  device.createBuffer({ size: 16, usage: 0 });
  device.queue.submit([]);
}

const WHEN = ["idle", "load", "rerank"];

export const gpuFaults = {
  hardware,
  // The GPU seems as fast as the CPU, or slower; in both cases too slow to be checked with more than the smallest batch.
  "even-clock": () => strangeClock(2_000, 0),
  "slowing-clock": () => strangeClock(2_000, 500),
  "no-gpu": noGpu,
  "no-adapter": noAdapter,
  "no-timestamps": noTimestamps,
  hasty,
  "silent-adapter": silent("GPU", "requestAdapter", 1),
  "silent-adapter-later": silent("GPU", "requestAdapter", 2),
  "silent-device": silent("GPUAdapter", "requestDevice", 1),
  "silent-load": silent("GPUBuffer", "mapAsync", 1),
  "silent-rerank": silent("GPUBuffer", "mapAsync", 1, true),
  "no-device": noDevice,
  "invalid-shader": (test) => changeShaders(invalid, test),
  "wrong-product": (test) => changeShaders(wrongProduct, test),
  "wrong-tiles": (test) => changeShaders(tiles(wrongProduct), test),
  "invalid-tiles": (test) => changeShaders(tiles(invalid), test),
  "wrong-activation": (test) => changeShaders(wrongActivation, test),
  "wrong-rotation": (test) => changeShaders(wrongRotation, test),
  "wrong-window": (test) => changeShaders(wrongWindow, test),
  "wrong-codes": (test) => changeShaders(wrongCodes, test),
  "not-finite": (test) => changeShaders(wrongRoot, test),
  "wrong-after-sleep": wrongAfterSleep,
  ...Object.fromEntries(UPLOADS.map((count) => [`zeroed-upload-${count}`, badUpload(count, (bytes) => bytes.fill(0))])),
  // A row of the narrowest.
  ...Object.fromEntries(UPLOADS.map((count) => [`zeroed-row-${count}`, badUpload(count, (bytes) => bytes.fill(0, 0, 128))])),
  "wrong-later": (test) => changeAfterFirstRun(wrongActivation, test),
  ...Object.fromEntries(WHEN.map((when) => [`destroyed-${when}`, strikeAt(`destroyed ${when}`, when, destroy)])),
  ...Object.fromEntries(WHEN.map((when) => [`lost-${when}`, crashes(strikeAt(`lost ${when}`, when, destroy))])),
  ...Object.fromEntries(WHEN.map((when) => [`error-${when}`, strikeAt(`error ${when}`, when, offend)])),
};
