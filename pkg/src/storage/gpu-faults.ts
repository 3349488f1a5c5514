/** GPUs that computed wrong numbers or gave no answer. */

import { findNote, keepNote } from "./hardware-notes.js";

const ABOUT = "fault";
const DAYS = 7;

/** What was found wrong with this GPU within the last week; undefined where nothing is known. */
export async function findGpuFault(info: GPUAdapterInfo | undefined): Promise<string | undefined> {
  const fault = await findNote<{ reason: string }>(ABOUT, info, DAYS, ({ reason }) => typeof reason === "string");
  return fault && `${fault.reason} (found on ${dayOf(fault.at)}, and tried again after ${DAYS} days)`;
}

/** Where nothing can be kept the next visit finds out for itself. */
export function rememberGpuFault(info: GPUAdapterInfo | undefined, reason: string): Promise<void> {
  return keepNote(ABOUT, info, { reason });
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
