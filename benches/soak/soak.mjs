// Thousands of calls on one device, looked at after every block of them.
import { time } from "../browser/lib/format.mjs";
import { inMB, MB, openSoak } from "./page.mjs";

const BLOCKS = 10;

const STEPS = { "an adapter": "adapter", "a device": "device", "work, from its submission to its end": "submit", "a read-back": "readBack" };

/** Bytes of JavaScript that a call may leave behind. */
const LEFT_BEHIND = 1_000;
/** Bytes by which two looks at the same thing may differ. */
const NOISE = MB;
/** How much longer the call that is always the same may take at the end than at the start. Other work on the machine strikes some tries, what the engine costs all of them. */
const DRIFT = 1.5;

/** `harm`: what is done to workers and GPU in the first half; `often`: in which part of the groups of calls that run at a time. */
export async function soak({ device, harm, often, calls, seed }) {
  const tab = await openSoak({ webgpu: device === "webgpu" });
  try {
    await tab.call("start", { device, harm, seed });
    const size = Math.ceil(calls / BLOCKS);
    const harmed = await blocksOf(tab, device, size, often);
    // Of one worker alone it is seen what its calls leave behind.
    await tab.call("settle");
    const quiet = await blocksOf(tab, device, size, 0);
    await tab.call("stop");
    const wrong = [...misses([...harmed, ...quiet], device), ...growth(quiet), ...tab.complaints].map((line) => `${device}: ${line}`);
    const title = `${calls.toLocaleString("en")} calls on ${device}, seed ${seed}: one half with harm done to workers and GPU, the other without`;
    return [{ title, rows: rowsOf([...harmed, ...quiet]), wrong }, ...stepsOf([...harmed, ...quiet])];
  } finally {
    await tab.close();
  }
}

/** One half of all blocks. */
async function blocksOf(tab, device, size, often) {
  const blocks = [];
  for (let count = 0; count < BLOCKS / 2; count++) {
    const tally = await tab.call("run", size, often);
    const held = await tab.held();
    blocks.push({ ...tally, ...held, heap: (await tab.heap()) - held.wasm, workers: tab.workers() });
    process.stderr.write(`${device}: ${size} more calls\n`);
  }
  return blocks;
}

function rowsOf(blocks) {
  const head = ["calls", "right", "aborted", "harmed", "wrong", "open", "workers", "JavaScript", "wasm memory", "GPU devices", "GPU buffers", "same call"];
  let calls = 0;
  const row = (block) => [
    String((calls += block.calls)),
    ...[block.right, block.aborted, block.harmed, block.wrong.length, block.open, block.workers].map(String),
    inMB(block.heap),
    inMB(block.wasm),
    String(block.devices),
    `${block.buffers}, ${inMB(block.bytes)}`,
    time(Math.min(...block.same)),
  ];
  return [head, ...blocks.map(row)];
}

/** How long each step on the GPU took: none where there is no GPU. */
function stepsOf(blocks) {
  const rows = [["a step on the GPU", "times", "median", "99 of 100", "longest"]];
  for (const [name, step] of Object.entries(STEPS)) {
    const taken = blocks.flatMap(({ times }) => times[step]).sort((a, b) => a - b);
    if (taken.length > 0) rows.push([name, String(taken.length), ...[0.5, 0.99, 1].map((part) => time(taken[Math.ceil(part * taken.length) - 1]))]);
  }
  return rows.length > 1 ? [{ title: "steps of those workers that were there at the end of a block", rows, wrong: [] }] : [];
}

/** What may not be at any time. */
function misses(blocks, device) {
  const most = (what) => Math.max(...blocks.map(what));
  const limits = [
    ["calls that are open when all have ended", most(({ open }) => open), 0],
    ["workers", most(({ workers }) => workers), 1],
    ["GPU devices", most(({ devices }) => devices), device === "webgpu" ? 1 : 0],
  ];
  return [...blocks.flatMap(({ wrong }) => wrong), ...over(limits)];
}

/** What many calls may not make of one worker. */
function growth(blocks) {
  const [first] = blocks;
  const last = blocks.at(-1);
  const calls = blocks.slice(1).reduce((sum, block) => sum + block.calls, 0);
  return over([
    ["bytes of JavaScript more", last.heap - first.heap, NOISE + calls * LEFT_BEHIND],
    ["bytes of wasm memory more", last.wasm - first.wasm, 0],
    ["bytes of GPU buffers more", last.bytes - first.bytes, NOISE],
    ["the time of the same call, as a factor", Math.min(...last.same) / Math.min(...first.same), DRIFT],
  ]);
}

function over(limits) {
  return limits.filter(([, found, limit]) => found > limit).map(([what, found, limit]) => `${what}: ${found}; at most ${limit}`);
}
