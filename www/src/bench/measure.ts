// What the button does: a step at a time, each of which is told.
import { checkOperations } from "tabrank";
import { placeOf } from "../model-place.ts";
import { asProblem } from "../problem.ts";
import type { Settings } from "../settings.ts";
import { findAdapter, machineFacts } from "./machine.ts";
import type { Report } from "./report.ts";
import { measureSpeed, type Way } from "./speed.ts";
import { loadTexts } from "./texts.ts";

export type Tell = (step: string, done: number, total: number) => void;

const CPU: Way[] = [
  { name: "CPU", options: { device: "cpu" } },
  { name: "CPU without relaxed SIMD", options: { device: "cpu", simd: "simd128" } },
];
const WEBGPU: Way = { name: "WebGPU", options: { device: "webgpu" } };

/** Rejects with the signal's reason; what goes wrong with one way to run is part of the report. */
export async function measure(settings: Settings, version: string, signal: AbortSignal, tell: Tell): Promise<Report> {
  const adapter = await findAdapter();
  const ways = typeof adapter === "string" ? CPU : [...CPU, WEBGPU];
  const total = 2 * ways.length;
  const texts = await loadTexts(settings.data);
  const report: Report = { version, date: new Date(), machine: await machineFacts(adapter), speeds: [], checks: [] };
  for (const [done, way] of ways.entries()) {
    tell(`Timing: ${way.name}`, done, total);
    report.speeds.push({ name: way.name, speed: await measureSpeed(placeOf(settings, settings.weights), way, texts, signal) });
  }
  for (const [done, way] of ways.entries()) {
    tell(`Checking each operation: ${way.name}`, ways.length + done, total);
    report.checks.push({ name: way.name, ...(await check(way, signal)) });
  }
  return report;
}

async function check({ options }: Way, signal: AbortSignal): Promise<Omit<Report["checks"][number], "name">> {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const found = checkOperations({ ...options, seed, signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    return asProblem(error);
  });
  return { seed, found: await found };
}
