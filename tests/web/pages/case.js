// A fixture: an engine loaded from its checkpoint, and what the reference libraries computed with it.
import { Checkpoint, Engine } from "../wasm/tabrank.js";

/** `address`: the folders of the checkpoint and of what is expected. */
export async function openCase({ checkpoint, expected }, device) {
  const json = await fetchFile(`${expected}expected.json`);
  const engine = await Engine.load(await fill(new Checkpoint(), checkpoint), { device }, {});
  // A cross-encoder's numbers are few enough for JSON.
  const tensors = engine.info.kind === "crossEncoder" ? undefined : reader(await fetchFile(`${expected}expected.safetensors`));
  return { engine, expected: JSON.parse(new TextDecoder().decode(json)), tensor: tensors };
}

/** Adds the files of a folder that the checkpoint wants. */
export async function fill(checkpoint, folder) {
  for (let wanted = checkpoint.wanted(); wanted.length > 0; wanted = checkpoint.wanted()) {
    for (const { name } of wanted) await add(checkpoint, folder, name);
  }
  return checkpoint;
}

async function add(checkpoint, folder, name) {
  const response = await fetch(folder + name);
  if (response.status === 404) checkpoint.addMissing(name);
  else checkpoint.add(name, new Uint8Array(await response.arrayBuffer()));
}

async function fetchFile(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} answered ${response.status}: the fixture is missing`);
  return response.arrayBuffer();
}

/** Gives a tensor of a safetensors file by its name, or undefined. */
function reader(file) {
  const length = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  return (name) => {
    if (!header[name]) return undefined;
    const [start, end] = header[name].data_offsets.map((offset) => 8 + length + offset);
    return new Float32Array(file.slice(start, end));
  };
}

/** The rows of an encoding in one array. */
export function valuesOf({ parts }) {
  const values = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let end = 0;
  for (const part of parts) {
    values.set(part, end);
    end += part.length;
  }
  return values;
}
