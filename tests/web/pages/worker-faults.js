// Ways in which a worker's browser or the engine itself may fail, WebGPU aside.
import { wrap } from "./patch.js";

/** Runs `strike` inside the engine: it makes the name of an answer's field a string when it first sets one, and keeps that. */
function atField(field, strike) {
  wrap(TextDecoder.prototype, "decode", (original, ...parameters) => {
    const text = original(...parameters);
    if (text === field) strike();
    return text;
  });
}

/** The table of those strings is borrowed while one is made. Another answer at that moment borrows it again, which is a panic. */
function panicAt(field) {
  return ({ struck }) => {
    let engine;
    wrap(WebAssembly, "instantiate", async (original, ...parameters) => {
      const made = await original(...parameters);
      engine = (made.instance ?? made).exports;
      return made;
    });
    atField(field, () => {
      struck(field);
      engine.simd();
    });
  };
}

function refuseStorage({ struck }) {
  CacheStorage.prototype.open = async () => {
    struck("open");
    throw new DOMException("denied by the test", "SecurityError");
  };
}

function fullStorage({ struck }) {
  Cache.prototype.put = async () => {
    struck("put");
    throw new DOMException("full by the test", "QuotaExceededError");
  };
}

function uncaughtError({ struck, onOrder }) {
  onOrder(() => {
    struck("error");
    throw new WebAssembly.RuntimeError("broken by the test");
  });
}

/** Never gives its thread back. */
function freeze() {
  for (;;);
}

function freezesOnOrder({ onOrder, struck }) {
  onOrder(() => {
    struck("freeze");
    // What was said is on its way only once this task ends.
    setTimeout(freeze);
  });
}

function freezesAt(field) {
  return () => atField(field, freeze);
}

/** The glue copies numbers out of wasm memory by making an array of another one, where a browser may have no memory left. */
function fullInRerank({ struck }) {
  const Original = Uint32Array;
  globalThis.Uint32Array = class extends Original {
    constructor(...values) {
      if (values[0] instanceof Original) {
        struck("full");
        throw new RangeError("Array buffer allocation failed");
      }
      super(...values);
    }
  };
}

export const workerFaults = {
  "panic-in-load": panicAt("architecture"),
  "panic-in-rerank": panicAt("scores"),
  "panic-in-explain": panicAt("share"),
  "full-in-rerank": fullInRerank,
  "storage-denied": refuseStorage,
  "storage-full": fullStorage,
  "uncaught-error": uncaughtError,
  "freezes-on-order": freezesOnOrder,
  "freezes-in-load": freezesAt("architecture"),
  "freezes-in-rerank": freezesAt("scores"),
};
