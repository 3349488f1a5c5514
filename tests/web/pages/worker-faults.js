// Ways in which a worker's browser or the engine itself may fail, WebGPU aside.

/** The glue sets fields of the engine's answers, and what is thrown then passes through the engine. */
function panicAt(field) {
  return ({ struck }) => {
    Object.defineProperty(Object.prototype, field, {
      configurable: true,
      set() {
        struck(field);
        throw new TypeError("broken by the test");
      },
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
  return () => Object.defineProperty(Object.prototype, field, { configurable: true, set: freeze });
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
  "panic-in-explain": panicAt("similarity"),
  "full-in-rerank": fullInRerank,
  "storage-denied": refuseStorage,
  "storage-full": fullStorage,
  "uncaught-error": uncaughtError,
  "freezes-on-order": freezesOnOrder,
  "freezes-in-load": freezesAt("architecture"),
  "freezes-in-rerank": freezesAt("scores"),
};
