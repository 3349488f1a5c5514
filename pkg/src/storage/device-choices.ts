/** The devices that models were found to be faster on, by the GPU and by what the model computes. */

import type { DeviceSpeed } from "../types.js";
import { type AdapterName, findNote, keepNote, type Note } from "./hardware-notes.js";

const DAYS = 30;

export interface Measured {
  /** What was measured, the fastest first. */
  candidates: DeviceSpeed[];
}

/** Undefined where it is to be found out. */
export function findDeviceChoice(adapter: AdapterName, embeddingId: string): Promise<(Measured & Note) | undefined> {
  return findNote<Measured>(about(embeddingId), adapter, DAYS, ({ candidates }) => Array.isArray(candidates) && candidates.length > 0 && candidates.every(isSpeed));
}

/** Where nothing can be kept the next visit finds out for itself. */
export function rememberDeviceChoice(adapter: AdapterName, embeddingId: string, measured: Measured): Promise<void> {
  return keepNote(about(embeddingId), adapter, measured);
}

/** Whether a note says what it should: it may be damaged. */
export function isSpeed({ device, workers, tokensPerSecond }: Partial<DeviceSpeed>): boolean {
  return (device === "cpu" || device === "webgpu") && Number.isFinite(workers) && Number.isFinite(tokensPerSecond);
}

function about(embeddingId: string): string {
  return `device/${embeddingId}`;
}
