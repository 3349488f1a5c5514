// Bundles that are damaged and vouched for by their manifest, so that more than a hash has to notice.
import { Checkpoint, Engine } from "../wasm/tabrank.js";

/** Loads `count` damaged copies of the bundle at `folder`. Answers how they ended: `loaded` or an error's code, and how often. */
export async function loadDamaged(folder, seed, count) {
  const files = await bundleAt(folder);
  const random = splitMix(seed);
  const outcomes = {};
  for (let i = 0; i < count; i++) {
    const outcome = await load(await vouched(damaged(files, random)));
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return outcomes;
}

async function bundleAt(folder) {
  const fetched = async (name) => new Uint8Array(await (await fetch(folder + name)).arrayBuffer());
  const manifest = await fetched("tabrank.json");
  const { files, weights } = JSON.parse(new TextDecoder().decode(manifest));
  const entries = await Promise.all([...files, ...weights].map(async ({ name }) => [name, await fetched(name)]));
  return new Map([["tabrank.json", manifest], ...entries]);
}

/** Some bytes changed, cut off or put in twice: in weights mostly at the start, where their header is. */
function damaged(files, random) {
  const copy = new Map(files);
  const names = [...copy.keys()];
  const weights = names.filter((name) => name.endsWith(".safetensors"));
  const name = random(2) ? weights[random(weights.length)] : names[random(names.length)];
  const bytes = copy.get(name).slice();
  const within = random(4) ? Math.min(bytes.length, 2_000) : bytes.length;
  const at = random(within);
  const kind = random(4);
  if (kind === 0) copy.set(name, bytes.slice(0, at));
  else if (kind === 1) copy.set(name, new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(Math.max(0, at - random(64)))]));
  else {
    for (let i = 0; i <= random(4); i++) bytes[(at + random(16)) % bytes.length] = random(256);
    copy.set(name, bytes);
  }
  return copy;
}

/** The manifest says what the files have become, if it is still one. */
async function vouched(files) {
  try {
    const manifest = JSON.parse(new TextDecoder().decode(files.get("tabrank.json")));
    for (const entry of [...manifest.files, ...manifest.weights]) {
      const bytes = files.get(entry.name);
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      entry.bytes = bytes.length;
      entry.sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    return new Map(files).set("tabrank.json", new TextEncoder().encode(JSON.stringify(manifest)));
  } catch {
    return files;
  }
}

async function load(files) {
  const checkpoint = new Checkpoint();
  try {
    for (let wanted = checkpoint.wanted(); wanted.length > 0; wanted = checkpoint.wanted()) {
      for (const { name } of wanted) {
        if (files.has(name)) checkpoint.add(name, files.get(name));
        else checkpoint.addMissing(name);
      }
    }
    (await Engine.load(checkpoint, { device: "cpu" }, {})).free();
    return "loaded";
  } catch (error) {
    if (error.code) return error.code;
    throw error;
  }
}

function splitMix(state) {
  return (limit) => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) % limit;
  };
}
