/** What the worker must know of the GPU that the engine cannot find out for itself: whether it may be used at all, when it is lost, and when it gives no answer. */

import { RerankerError } from "../error.js";
import { type GpuState, isSoftware, lookForGpu } from "../gpu-adapter.js";
import { Patience, within } from "../patience.js";
import { rememberGpuFault } from "../storage/gpu-faults.js";
import { findGpuKernel, rememberGpuKernel } from "../storage/gpu-kernels.js";
import type { DeviceChoice, Dtype } from "../types.js";

/** Milliseconds for an adapter or a device. They take less than 30 as a rule (`make soak`), and longer where a slow machine has yet to start the browser's GPU process. */
const ASKED = 10_000;

/**
 * Milliseconds for what a GPU is given to do at a time, a batch of 1,024 tokens at most. One that is faster than the CPU needs one or two seconds where it is slow, and
 * the first time some more for its shaders; what hangs the browser ends itself, as a rule, after ten.
 */
const WORK = 30_000;

/** The same for an adapter in software, which has to be asked for by name: a batch of the default model took nine seconds, and one of a large model takes ten times as long. */
const WORK_IN_SOFTWARE = 600_000;

/** What this worker's GPU says of itself. */
let info: GPUAdapterInfo | undefined;

/** Whether it is one in software. */
let inSoftware = false;

/** Whether kernels are being tried, some of which it may refuse. */
let trying = false;

/** Looks for an adapter, and remembers whose it is. */
export async function findGpu(choice: DeviceChoice): Promise<GpuState> {
  const { found, ...state } = await lookForGpu(choice);
  info = found?.info;
  inSoftware = found !== undefined && isSoftware(found);
  return state;
}

/** Lets later visits know what is wrong with this worker's GPU. */
export function noteGpuFault(reason: string): Promise<void> {
  return rememberGpuFault(info, reason);
}

/** The kernel that this worker's GPU is to multiply with: the one that was found before, or `fastest`; nothing for a GPU in software, which takes seconds to find out. */
export async function wantedKernel(dtype: Dtype): Promise<string | undefined> {
  return inSoftware ? undefined : ((await findGpuKernel(info, dtype)) ?? "fastest");
}

/** Lets later visits know which kernel was the fastest. */
export function noteGpuKernel(dtype: Dtype, variant: string): Promise<void> {
  return rememberGpuKernel(info, dtype, variant);
}

/** While kernels are tried, an error is one of theirs: it is passed over with the kernel, whose numbers cannot be right then. */
export function tryKernels(begin: boolean): void {
  trying = begin;
}

export interface GpuEvents {
  /** Something went wrong on a device. A device that was destroyed on purpose is `discarded`. */
  failed(message: string, discarded: boolean): void;
  /** A device does not do what it was given to do. */
  silent(message: string): void;
}

/** Watches all that is asked of WebGPU in this worker from now on: the engine does so itself, out of our reach. */
export function watchGpu(events: GpuEvents): void {
  if (typeof GPUAdapter === "undefined") return;
  new GpuWatch(events).begin();
}

class GpuWatch {
  readonly #events: GpuEvents;
  /** The adapter of the newest device. */
  #adapter: GPUAdapter | undefined;

  constructor(events: GpuEvents) {
    this.#events = events;
  }

  begin(): void {
    const watch = this;
    const { requestAdapter } = GPU.prototype;
    GPU.prototype.requestAdapter = function (...options) {
      return within(ASKED, requestAdapter.apply(this, options), () => timeout(`the browser gave no WebGPU adapter within ${ASKED / 1000} seconds`));
    };
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = function (...options) {
      return watch.#device(this, requestDevice.apply(this, options));
    };
    const { mapAsync } = GPUBuffer.prototype;
    GPUBuffer.prototype.mapAsync = function (...range) {
      return watch.#work("at a read-back", mapAsync.apply(this, range));
    };
    const { onSubmittedWorkDone } = GPUQueue.prototype;
    GPUQueue.prototype.onSubmittedWorkDone = function () {
      return watch.#work("at the end of its work", onSubmittedWorkDone.call(this));
    };
    const { popErrorScope } = GPUDevice.prototype;
    GPUDevice.prototype.popErrorScope = function () {
      return watch.#work("at an error scope", popErrorScope.call(this));
    };
  }

  async #device(adapter: GPUAdapter, request: Promise<GPUDevice>): Promise<GPUDevice> {
    this.#adapter = adapter;
    const device = await within(ASKED, request, () => {
      const message = `the browser gave no WebGPU device within ${ASKED / 1000} seconds`;
      void noteGpuFault(message);
      request.then((late) => late.destroy()).catch(() => {});
      return timeout(message);
    });
    device.addEventListener("uncapturederror", (event) => {
      // The engine panics at an error that it hears of.
      if (trying) event.stopImmediatePropagation();
      else this.#events.failed(`WebGPU reported an error: ${event.error.message}`, false);
    });
    void device.lost.then(({ reason, message }) => this.#events.failed(`the WebGPU device was lost (${reason}): ${message}`, reason === "destroyed"));
    return device;
  }

  #work<T>(where: string, step: Promise<T>): Promise<T> {
    const adapter = this.#adapter;
    const limit = adapter && isSoftware(adapter) ? WORK_IN_SOFTWARE : WORK;
    const patience = new Patience(limit, () => void this.#silent(`the GPU gave no answer for ${limit / 1000} seconds, ${where}`));
    const stop = () => patience.stop();
    step.then(stop, stop);
    return step;
  }

  async #silent(message: string): Promise<void> {
    await noteGpuFault(message);
    this.#events.silent(message);
  }
}

function timeout(message: string): RerankerError {
  return new RerankerError({ code: "TIMEOUT", message });
}
