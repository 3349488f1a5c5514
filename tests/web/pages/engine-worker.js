// The wasm module itself, without the package around it, in a worker as it is used.
import init, { errorCodes, onPanic } from "../wasm/tabrank.js";
import { alone } from "./batches.js";
import { openCase } from "./case.js";
import { compareEncodings, compareScores, compareTexts } from "./parity.js";

const functions = { compareEncodings, compareScores, compareTexts, alone };
const ready = init();
const engines = new Map();
let panic;

async function call(name, parameters) {
  await ready;
  onPanic((text) => (panic = text));
  if (name === "errorCodes") return errorCodes();
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
