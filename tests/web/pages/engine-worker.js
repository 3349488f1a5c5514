// The wasm module itself, without the package around it, in a worker as it is used.
import init, { checkOperations, errorCodes, onPanic, simd } from "../wasm/tabrank.js";
import { alone } from "./batches.js";
import { convertFolder, encode, rerank } from "./calls.js";
import { openCase } from "./case.js";
import { loadDamaged } from "./hostile.js";
import { compareEncodings, comparePairs, compareScores, compareTexts } from "./parity.js";

const functions = { compareEncodings, comparePairs, compareScores, compareTexts, alone, rerank, encode };
/** Those that need no model. */
const modelless = { checkOperations, errorCodes, simd, memory, loadDamaged, convertFolder };
const file = new URL(self.location.href).searchParams.get("module");
const ready = init({ module_or_path: new URL(`../wasm/${file}`, import.meta.url) });
const engines = new Map();
let panic;

/** Bytes of the module's memory, which never shrinks: the most that it has used. */
async function memory() {
  return (await ready).memory.buffer.byteLength;
}

async function call(name, parameters) {
  await ready;
  onPanic((text) => (panic = text));
  if (modelless[name]) return modelless[name](...parameters);
  const [address, device, ...rest] = parameters;
  const key = `${device} ${JSON.stringify(address)}`;
  if (!engines.has(key)) engines.set(key, await openCase(address, device));
  const opened = engines.get(key);
  if (name === "describe") return { device: opened.engine.device, warnings: opened.engine.warnings, info: opened.engine.info };
  return functions[name](opened, ...rest);
}

self.onmessage = async ({ data: { id, name, parameters } }) => {
  try {
    self.postMessage({ id, value: await call(name, parameters) });
  } catch (error) {
    self.postMessage({ id, error: panic ?? `${error.code ?? error.name}: ${error.message}` });
  }
};
