// The buffers that a worker makes on a GPU. Imported before anything that may make one.
import { wrap } from "./patch.js";

/** Bytes of each buffer that was made, until it is destroyed or swept up. */
export const buffers = new Map();
/** Bytes of all that were made so far, of the largest one, and the most that were there at a time. */
export const sizes = { made: 0, largest: 0, most: 0 };

const ids = new WeakMap();
const swept = new FinalizationRegistry(drop);
let count = 0;
let there = 0;

if (typeof GPUDevice !== "undefined") {
  wrap(GPUDevice.prototype, "createBuffer", (create, descriptor) => {
    const buffer = create(descriptor);
    add(++count, descriptor.size);
    ids.set(buffer, count);
    swept.register(buffer, count);
    return buffer;
  });
  wrap(GPUBuffer.prototype, "destroy", function (destroy) {
    drop(ids.get(this));
    return destroy();
  });
}

function add(id, size) {
  buffers.set(id, size);
  there += size;
  sizes.made += size;
  sizes.largest = Math.max(sizes.largest, size);
  sizes.most = Math.max(sizes.most, there);
}

function drop(id) {
  there -= buffers.get(id) ?? 0;
  buffers.delete(id);
}

/** Forgets the sizes so far; what is there stays. */
export function restart() {
  Object.assign(sizes, { made: 0, largest: 0, most: there });
}
