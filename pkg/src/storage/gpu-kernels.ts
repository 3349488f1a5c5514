/** The kernels that GPUs multiply fastest with, by the type of the weights. */

import type { Dtype } from "../types.js";
import { findNote, keepNote } from "./hardware-notes.js";

const DAYS = 30;

/** The kernel that was found the fastest on this GPU; undefined where it is to be found out. */
export async function findGpuKernel(info: GPUAdapterInfo | undefined, dtype: Dtype): Promise<string | undefined> {
  return (await findNote<{ variant: string }>(`kernel/${dtype}`, info, DAYS, ({ variant }) => typeof variant === "string"))?.variant;
}

/** Where nothing can be kept the next visit finds out for itself. */
export function rememberGpuKernel(info: GPUAdapterInfo | undefined, dtype: Dtype, variant: string): Promise<void> {
  return keepNote(`kernel/${dtype}`, info, { variant });
}
