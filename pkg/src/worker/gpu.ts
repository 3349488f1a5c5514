/** What the worker must know of the GPU that the engine cannot find out for itself: whether it may be used at all, and when it is lost. */

import type { DeviceChoice } from "../types.js";

/** Why WebGPU cannot be used here; undefined when it can. A software adapter counts as none unless WebGPU was asked for by name. */
export async function gpuUnavailable(choice: DeviceChoice): Promise<string | undefined> {
  const gpu: GPU | undefined = navigator.gpu;
  if (!gpu) return "this browser has no WebGPU, or the page is not a secure context (HTTPS)";
  const adapter = await requestAdapter(gpu);
  if (typeof adapter === "string") return adapter;
  if (choice === "auto" && isSoftware(adapter)) return "the only WebGPU adapter is a software one";
  // CubeCL profiles its queue and panics on a device that cannot.
  if (!adapter.features.has("timestamp-query")) return "the WebGPU adapter lacks the feature timestamp-query";
  return undefined;
}

async function requestAdapter(gpu: GPU): Promise<GPUAdapter | string> {
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    return adapter ?? "the browser offers no WebGPU adapter";
  } catch (error) {
    return `the browser refused a WebGPU adapter (${String(error)})`;
  }
}

/** The flag moved from the adapter to its info; browsers have the one or the other. */
function isSoftware(adapter: GPUAdapter & { isFallbackAdapter?: boolean }): boolean {
  return adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
}

/** Something went wrong on a device. A device that was destroyed on purpose is `discarded`. */
export type OnGpuFailure = (message: string, discarded: boolean) => void;

/** Watches every device that is made in this worker from now on: the engine makes its own, out of our reach. */
export function watchDevices(onFailure: OnGpuFailure): void {
  if (typeof GPUAdapter === "undefined") return;
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, descriptor?: GPUDeviceDescriptor) {
    const device = await requestDevice.call(this, descriptor);
    watch(device, onFailure);
    return device;
  };
}

function watch(device: GPUDevice, onFailure: OnGpuFailure): void {
  device.addEventListener("uncapturederror", (event) => onFailure(`WebGPU reported an error: ${event.error.message}`, false));
  void device.lost.then(({ reason, message }) => onFailure(`the WebGPU device was lost (${reason}): ${message}`, reason === "destroyed"));
}
