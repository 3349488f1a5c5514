// GPUs that compile a shader into something else than it says.
import { wrap } from "./patch.js";

/** Changes the text of the shaders that the change applies to. */
export function changeShaders(change, { struck }) {
  wrap(GPUDevice.prototype, "createShaderModule", (create, descriptor) => {
    const code = change(descriptor.code);
    if (code !== descriptor.code) struck("shader");
    return create({ ...descriptor, code });
  });
}

/** What no browser compiles. */
export function invalid(code) {
  return `${code}\nfn broken() -> u32 { return undeclared; }`;
}

/** A change of the products that have tiles in workgroup memory alone. */
export function tiles(change) {
  return (code) => (code.includes("fn linear_staged") ? change(code) : code);
}

/** Matrix products that come out a hundredth too large in each step. */
export function wrongProduct(code) {
  return code.includes("fn linear_") ? code.replace(/(fma\(\w+, \w+, \w+\))/g, "$1 * 1.01") : code;
}

/** An activation with one digit of its polynomial wrong. */
export function wrongActivation(code) {
  return code.replace("1.4214136600494385", "1.5214136600494385");
}

/** Queries and keys that are turned the wrong way. */
export function wrongRotation(code) {
  return code.includes("fn rotate_") ? code.replace(/= -(v\d+);/, "= $1;") : code;
}

/** Windows as wide as the batch: the arguments of the attention are its tokens, documents, vectors and window. */
export function wrongWindow(code) {
  return code.includes("fn attention_") ? code.replace("scalars_usize[3]", "scalars_usize[0]") : code;
}

/** The codes of int8 moved by a bit: no other shader of MaxSim has bytes. */
export function wrongCodes(code) {
  return code.includes("fn maxsim_") ? code.replace("= i32(24);", "= i32(25);") : code;
}

/** Roots of what the norms take roots of, turned negative. */
export function wrongRoot(code) {
  return code.replaceAll("sqrt(", "sqrt(-");
}

/** Reads of results that the first run of a batch takes: its embeddings. */
const FIRST_RUN = 1;

/** The changed shaders take over once results were read. */
export function changeAfterFirstRun(change, test) {
  let reads = 0;
  wrap(GPUBuffer.prototype, "mapAsync", (map, ...parameters) => {
    reads++;
    return map(...parameters);
  });
  changeWhen(() => reads >= FIRST_RUN, change, test);
}

/** The changed shaders take over when the test orders it. */
export function changeOnOrder(change, test) {
  let ordered = false;
  test.onOrder(() => (ordered = true));
  changeWhen(() => ordered, change, test);
}

/** Each pipeline gets a twin of the changed shader. */
function changeWhen(isTime, change, { struck }) {
  const twins = new WeakMap();
  wrap(GPUDevice.prototype, "createShaderModule", function (create, descriptor) {
    const module = create(descriptor);
    const code = change(descriptor.code);
    if (code !== descriptor.code) twins.set(module, create({ ...descriptor, code }));
    return module;
  });
  wrap(GPUDevice.prototype, "createComputePipeline", (create, descriptor) => {
    const pipeline = create(descriptor);
    const module = twins.get(descriptor.compute.module);
    if (module) twins.set(pipeline, create({ ...descriptor, compute: { ...descriptor.compute, module } }));
    return pipeline;
  });
  wrap(GPUComputePassEncoder.prototype, "setPipeline", (set, pipeline) => {
    const twin = isTime() ? twins.get(pipeline) : undefined;
    if (twin) struck("shader");
    set(twin ?? pipeline);
  });
}
