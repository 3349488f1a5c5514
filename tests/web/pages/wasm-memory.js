// Tells on a channel, time and again, how large this worker's wasm memory is.
const { instantiate } = WebAssembly;
const channel = new BroadcastChannel("wasm-memory");
let memory;

WebAssembly.instantiate = async (...parameters) => {
  const made = await instantiate(...parameters);
  memory ??= (made.instance ?? made).exports.memory;
  return made;
};

setInterval(() => memory && channel.postMessage(memory.buffer.byteLength), 100);
