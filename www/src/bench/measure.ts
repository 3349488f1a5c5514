// What the button does: a step at a time, each of which is told.
import { checkOperations, type Device } from "tabrank";
import { placeOf } from "../model-place.ts";
import { asProblem } from "../problem.ts";
import type { Settings } from "../settings.ts";
import { findAdapter, machineFacts } from "./machine.ts";
import type { Report } from "./report.ts";
import { measureSpeed, type Way } from "./speed.ts";
import { loadTexts } from "./texts.ts";

export type Tell = (step: string, done: number, total: number) => void;

/** Operations are a device's own. */
type Checked = Way & { options: { device: Device } };

const CPU: Checked = { name: "CPU", options: { device: "cpu", workers: 1 } };
const PLAIN: Checked = { name: "CPU without relaxed SIMD", options: { device: "cpu", workers: 1, simd: "simd128" } };
/** As a page has it that says nothing of device and workers. */
const CHOSEN: Way = { name: "as the package chooses", options: { device: "auto", workers: "auto" } };
const WEBGPU: Checked = { name: "WebGPU", options: { device: "webgpu" } };

/** Rejects with the signal's reason; what goes wrong with one way to run is part of the report. */
export async function measure(settings: Settings, version: string, signal: AbortSignal, tell: Tell): Promise<Report> {
  const adapter = await findAdapter();
  const gpu = typeof adapter === "string" ? [] : [WEBGPU];
  const [timed, checked] = [[CPU, PLAIN, ...gpu, CHOSEN], [CPU, PLAIN, ...gpu]];
  const total = timed.length + checked.length;
  const texts = await loadTexts(settings.data);
  const report: Report = { version, date: new Date(), machine: await machineFacts(adapter), speeds: [], checks: [] };
  for (const [done, way] of timed.entries()) {
    signal.throwIfAborted();
    tell(`Timing: ${way.name}`, done, total);
    report.speeds.push({ name: way.name, speed: await measureSpeed(placeOf(settings.source, settings.weights), way, texts, signal) });
  }
  for (const [done, way] of checked.entries()) {
    signal.throwIfAborted();
    tell(`Checking each operation: ${way.name}`, timed.length + done, total);
    report.checks.push({ name: way.name, ...(await check(way, signal)) });
  }
  return report;
}

async function check({ options: { device, simd = "auto" } }: Checked, signal: AbortSignal): Promise<Omit<Report["checks"][number], "name">> {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const found = checkOperations({ device, simd, seed, signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    return asProblem(error);
  });
  return { seed, found: await found };
}
