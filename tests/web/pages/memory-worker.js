// The package's worker, with the size of its memory told.
import "./wasm-memory.js";
import "../package/worker.js";
