/**
 * Which device answers? The CPU, from the load on. Where there is a GPU that is worth a try, another worker tries it meanwhile, with the module that has both devices;
 * once it is found to compute what the CPU computes, and faster, it takes the next call, never one that is under way, and the CPU's workers end. A GPU that fails
 * later gives what it was at to the CPU, whose worker starts anew.
 */

import type { CallName, Calls } from "../protocol.js";
import type { CallProgress, Device, DeviceChange, GpuKernel, Warning } from "../types.js";
import { notify } from "./notify.js";
import type { Pool } from "./pool.js";
import { type CallOptions, type Client, GpuGivenUp, type WorkerClient } from "./worker-client.js";

type Called = Exclude<CallName, "load">;

export class DeviceSwitch implements Client {
  readonly #cpu: Pool;
  readonly #onChange: ((change: DeviceChange) => void) | undefined;
  /** On a GPU, from the time that it is tried. */
  #gpu: WorkerClient | undefined;
  #gpuKernel: GpuKernel | undefined;
  /** Whether the GPU is found good. */
  #isReady = false;
  #current: Client;
  /** Codecs, which each side is given. */
  readonly #codecs: Calls["codec"]["request"][] = [];
  /** What keeps the device from changing. */
  #holds = 0;

  /** `cpu`: workers that have loaded the model; where a GPU was asked for by name it is one, with that kernel. */
  constructor(cpu: Pool, gpuKernel: GpuKernel | undefined, onChange: ((change: DeviceChange) => void) | undefined) {
    this.#cpu = cpu;
    this.#gpuKernel = gpuKernel;
    this.#current = cpu;
    this.#onChange = onChange;
  }

  get device(): Device {
    return this.#current.device;
  }

  /** Of the GPU that was tried, if it is right. */
  get gpuKernel(): GpuKernel | undefined {
    return this.#gpuKernel;
  }

  get warnings(): readonly Warning[] {
    return this.#cpu.warnings;
  }

  get ended(): AbortSignal {
    return this.#cpu.ended;
  }

  warn(warning: Warning): void {
    this.#cpu.warn(warning);
  }

  requireOpen(signal: AbortSignal | undefined): void {
    this.#cpu.requireOpen(signal);
  }

  stop(reason: unknown): void {
    this.#cpu.stop(reason);
    this.#gpu?.stop(reason);
  }

  /** Until what this gives is called, no GPU takes over. */
  hold(): () => void {
    this.#holds++;
    return () => {
      this.#holds--;
      this.#move();
    };
  }

  async call<K extends Called>(name: K, request: Calls[K]["request"], options: CallOptions): Promise<Calls[K]["answer"]> {
    const release = this.hold();
    if (name === "codec") this.#codecs.push(request as Calls["codec"]["request"]);
    const told = { ...options, onProgress: rising(options.onProgress) };
    try {
      return await this.#current.call(name, request, told);
    } catch (error) {
      if (!(error instanceof GpuGivenUp)) throw error;
      return await this.#cpu.call(name, request, told);
    } finally {
      release();
    }
  }

  /** `gpu`: a worker that is to load the same model in `auto`. What it warns of is this one's to tell. */
  async tryGpu(gpu: WorkerClient): Promise<void> {
    this.#gpu = gpu;
    gpu.ended.addEventListener("abort", () => this.#lost());
    try {
      const { device, gpuKernel } = await gpu.load();
      this.#gpuKernel = gpuKernel;
      this.#isReady = device === "webgpu";
      if (!this.#isReady) gpu.stop(undefined);
    } catch (error) {
      if (!this.ended.aborted && !(error instanceof GpuGivenUp)) this.warn({ code: "WEBGPU_FALLBACK", message: `WebGPU could not be tried: ${error instanceof Error ? error.message : String(error)}` });
      gpu.stop(error);
    }
    this.#move();
  }

  #move(): void {
    if (!this.#isReady || this.#holds > 0 || this.#current === this.#gpu) return;
    this.#current = this.#gpu!;
    this.#giveCodecs();
    this.#cpu.rest();
    notify(this.#onChange, { device: "webgpu", previous: "cpu" });
  }

  #lost(): void {
    const wasInUse = this.#current === this.#gpu;
    const reason: unknown = this.#gpu?.ended.reason;
    this.#gpu = undefined;
    this.#isReady = false;
    this.#current = this.#cpu;
    if (this.ended.aborted || !(reason instanceof GpuGivenUp)) return;
    this.#giveCodecs();
    this.warn({ code: "WEBGPU_FALLBACK", message: reason.message });
    if (wasInUse) notify(this.#onChange, { device: "cpu", previous: "webgpu" });
  }

  /** A worker answers in turn, so that what it is called for next finds them. */
  #giveCodecs(): void {
    for (const codec of this.#codecs) void this.#current.call("codec", codec, {}).catch(() => {});
  }
}

/** A call that is begun again passes what it had done once more. */
function rising(onProgress: ((progress: CallProgress) => void) | undefined): ((progress: CallProgress) => void) | undefined {
  let last = 0;
  return onProgress && ((progress) => {
    if (progress.done <= last) return;
    last = progress.done;
    onProgress(progress);
  });
}
