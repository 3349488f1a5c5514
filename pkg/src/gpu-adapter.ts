/** Is there a GPU that may be used here? */

import { RerankerError } from "./error.js";
import { findGpuFault } from "./storage/gpu-faults.js";
import type { AdapterName } from "./storage/hardware-notes.js";
import type { DeviceChoice } from "./types.js";

/** Where WebGPU stands. */
export interface GpuState {
  /** Whose GPU it is. */
  adapter?: AdapterName;
  /** Why it cannot be used; undefined when it can. */
  unavailable?: string;
  /** Most bytes of a buffer that it reads. The engine asks for a device with the adapter's own limits. */
  bufferLimit?: number;
}

/** Unless WebGPU was asked for by name, an adapter in software counts as none, and so does one that failed lately. */
export async function lookForGpu(choice: DeviceChoice): Promise<GpuState & { found?: GPUAdapter }> {
  const gpu: GPU | undefined = globalThis.navigator?.gpu;
  if (!gpu) return { unavailable: "this browser has no WebGPU, or the page is not a secure context (HTTPS)" };
  const found = await requestAdapter(gpu);
  if (typeof found === "string") return { unavailable: found };
  if (choice === "auto" && isSoftware(found)) return { found, unavailable: "the only WebGPU adapter is a software one" };
  // CubeCL profiles its queue and panics on a device that cannot.
  if (!found.features.has("timestamp-query")) return { found, unavailable: "the WebGPU adapter lacks the feature timestamp-query" };
  const fault = choice === "auto" ? await findGpuFault(found.info) : undefined;
  const { maxStorageBufferBindingSize, maxBufferSize } = found.limits;
  return { found, adapter: nameOf(found.info), bufferLimit: Math.min(maxStorageBufferBindingSize, maxBufferSize), ...(fault !== undefined && { unavailable: fault }) };
}

/** Not every browser tells. */
function nameOf({ vendor = "", architecture = "", device = "", description = "" }: Partial<AdapterName> = {}): AdapterName {
  return { vendor, architecture, device, description };
}

async function requestAdapter(gpu: GPU): Promise<GPUAdapter | string> {
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    return adapter ?? "the browser offers no WebGPU adapter";
  } catch (error) {
    return error instanceof RerankerError ? error.message : `the browser refused a WebGPU adapter (${String(error)})`;
  }
}

/** The flag moved from the adapter to its info; browsers have the one or the other. */
export function isSoftware(adapter: GPUAdapter & { isFallbackAdapter?: boolean }): boolean {
  return adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
}
