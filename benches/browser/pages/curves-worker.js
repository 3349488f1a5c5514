// The package's own worker, with the size of its wasm memory told to whoever asks for `wasmBytes()`.
import "/test-pages/wasm-memory.js";
import "/tabrank/worker.js";
