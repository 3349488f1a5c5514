// What the figures were measured on.
import { readFile } from "node:fs/promises";
import os from "node:os";
import { openPage } from "./browser.mjs";
import { size } from "./format.mjs";
import { peakDuring } from "./memory.mjs";

/** On x86, then on ARM. */
const INSTRUCTIONS = ["avx2", "avx_vnni", "avx512_vnni", "asimddp", "i8mm"];

/** Those by which a browser multiplies bytes in one instruction: of AVX-512 it uses none. */
const BYTE_PRODUCTS = ["avx_vnni", "asimddp"];

/** Undefined where the machine does not tell. */
export function hasByteProduct({ instructions = [] }) {
  return instructions.length ? BYTE_PRODUCTS.some((name) => instructions.includes(name)) : undefined;
}

export async function machine(browser, server) {
  const [load] = os.loadavg();
  const { page, close } = await openPage(browser, server.origin);
  const { result: facts, peak: blankPage } = await peakDuring(browser, () => page.evaluate(describe));
  await close();
  return {
    date: new Date().toISOString(),
    cpu: os.cpus()[0]?.model ?? "unknown CPU",
    ...(await processor()),
    cores: os.cpus().length,
    memory: os.totalmem(),
    system: `${os.type()} ${os.release()}`,
    loadAverage: load,
    browser: `Chromium ${browser.version()}`,
    ...facts,
    blankPage,
  };
}

/** As they stand above what was measured. */
export function machineLines({ cpu, kind, instructions = [], cores, memory, system, browser, adapter, loadAverage, crossOriginIsolated: isIsolated }) {
  return [
    `${[cpu, kind, instructions.join(" ")].filter(Boolean).join("; ")}; ${cores} cores, ${size(memory)}, ${system}; load average ${loadAverage.toFixed(1)} at the start`,
    `${browser}; WebGPU adapter: ${adapter}; ${isIsolated ? "" : "not "}cross-origin isolated`,
  ];
}

/** The names of processors that hypervisors give say little: family and model tell more, and what products of bytes are made of. Linux alone tells. */
async function processor() {
  const text = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const field = (name) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(text)?.[1];
  const flags = (field("flags") ?? field("Features") ?? "").split(" ");
  const [family, model] = [field("cpu family"), field("model")];
  return { kind: family && `family ${family}, model ${model}`, instructions: INSTRUCTIONS.filter((name) => flags.includes(name)) };
}

async function describe() {
  const adapter = await navigator.gpu?.requestAdapter();
  const { vendor, architecture, description } = adapter?.info ?? {};
  return {
    adapter: adapter ? [vendor, architecture, description].filter(Boolean).join(" ") : "none",
    crossOriginIsolated,
  };
}
