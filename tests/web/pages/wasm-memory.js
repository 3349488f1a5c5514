// Tells on a channel, time and again, and whoever asks for `wasmBytes()`, how large this worker's wasm memory is.
const { instantiate } = WebAssembly;
const channel = new BroadcastChannel("wasm-memory");
let memory;

WebAssembly.instantiate = async (...parameters) => {
  const made = await instantiate(...parameters);
  memory ??= (made.instance ?? made).exports.memory;
  return made;
};

self.wasmBytes = () => memory?.buffer.byteLength ?? 0;

setInterval(() => memory && channel.postMessage(memory.buffer.byteLength), 100);
