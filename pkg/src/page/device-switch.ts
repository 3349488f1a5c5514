/**
 * Which device answers? The CPU, from the load on. Where there is a GPU, another worker tries it meanwhile, with the module that has both devices; once it is found to
 * compute what the CPU computes, and a batch of this model is faster there than on all of the CPU's workers, it takes the next call, never one that is under way, and
 * those workers end. What was measured is remembered. A GPU that fails later gives what it was at to the CPU, whose worker starts anew.
 */

import type { CallName, Calls, StandingCall } from "../protocol.js";
import { findDeviceChoice, type Measured, rememberDeviceChoice } from "../storage/device-choices.js";
import type { AdapterName } from "../storage/hardware-notes.js";
import type { CallProgress, ChosenDevice, Device, DeviceChange, DeviceSpeed, GpuKernel, Warning } from "../types.js";
import { notify } from "./notify.js";
import { type Pool, tokensPerSecond } from "./pool.js";
import { type CallOptions, type Client, GpuGivenUp, type WorkerClient } from "./worker-client.js";

type Called = Exclude<CallName, "load">;

/** A GPU, and how it is tried. */
export interface Trial {
  adapter: AdapterName;
  embeddingId: string;
  /** A worker that is to load the same model in `auto`. What it warns of is not told by it. */
  start(): WorkerClient;
}

export class DeviceSwitch implements Client {
  readonly #cpu: Pool;
  readonly #onChange: ((change: DeviceChange) => void) | undefined;
  /** On a GPU, from the time that it is tried. */
  #gpu: WorkerClient | undefined;
  #gpuKernel: GpuKernel | undefined;
  /** Whether the GPU is found good. */
  #isReady = false;
  #current: Client;
  /** Codecs and the page side, which each of both is given. */
  readonly #standing: StandingCall[] = [];
  /** What keeps the device from changing. */
  #holds = 0;
  /** Who waits until nothing does. */
  #waiting: (() => void)[] = [];
  /** Ends a measurement that is in the way of a call. */
  #measurement: AbortController | undefined;
  #why: ChosenDevice["why"];
  #measured: (Measured & { at: number }) | undefined;

  /** `cpu`: workers that have loaded the model; where a GPU was asked for by name it is one, with that kernel. */
  constructor(cpu: Pool, gpuKernel: GpuKernel | undefined, why: ChosenDevice["why"], onChange: ((change: DeviceChange) => void) | undefined) {
    this.#cpu = cpu;
    this.#current = cpu;
    this.#gpuKernel = gpuKernel;
    this.#why = why;
    this.#onChange = onChange;
  }

  get device(): Device {
    return this.#current.device;
  }

  /** Of the GPU that was tried, if it is right. */
  get gpuKernel(): GpuKernel | undefined {
    return this.#gpuKernel;
  }

  get choice(): ChosenDevice {
    const { device } = this;
    const kernel = device === "webgpu" ? this.#gpuKernel?.variant : undefined;
    const measuredAt = this.#measured && new Date(this.#measured.at);
    return { device, workers: this.#current === this.#cpu ? this.#cpu.workers : 1, ...(kernel !== undefined && { kernel }), candidates: this.#measured?.candidates ?? [], why: this.#why, ...(measuredAt && { measuredAt }) };
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
    this.#measurement?.abort();
    return () => {
      this.#holds--;
      this.#move();
      if (this.#holds === 0) for (const go of this.#waiting.splice(0)) go();
    };
  }

  async call<K extends Called>(name: K, request: Calls[K]["request"], options: CallOptions): Promise<Calls[K]["answer"]> {
    const release = this.hold();
    if (name === "codec" || name === "openPages") this.#standing.push({ name, request } as StandingCall);
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

  /** Once the CPU can answer. */
  async tryGpu({ adapter, embeddingId, start }: Trial): Promise<void> {
    this.#why = "first";
    const known = await findDeviceChoice(adapter, embeddingId);
    if (this.ended.aborted) return;
    this.#measured = known;
    if (known?.candidates[0]?.device === "cpu") return this.#stay(slowness(known.candidates));
    const gpu = (this.#gpu = start());
    gpu.ended.addEventListener("abort", () => this.#lost());
    try {
      await this.#loaded(gpu);
      if (!known) await this.#measure(gpu, (measured) => rememberDeviceChoice(adapter, embeddingId, measured));
      this.#isReady = true;
    } catch (error) {
      gpu.stop(error);
    }
    this.#move();
  }

  async #loaded(gpu: WorkerClient): Promise<void> {
    const { device, gpuKernel } = await gpu.load();
    this.#gpuKernel = gpuKernel;
    if (device === "cpu") throw new NoGpu();
  }

  async #measure(gpu: WorkerClient, remember: (measured: Measured) => Promise<void>): Promise<void> {
    const cpu: DeviceSpeed = { device: "cpu", ...(await this.#whileIdle((signal) => this.#cpu.measure({ signal }))) };
    const other: DeviceSpeed = { device: "webgpu", workers: 1, tokensPerSecond: tokensPerSecond(await gpu.call("measure", {}, {})) };
    const candidates = other.tokensPerSecond < cpu.tokensPerSecond ? [cpu, other] : [other, cpu];
    this.#measured = { candidates, at: Date.now() };
    void remember({ candidates });
    if (candidates[0] === cpu) throw new NoGpu(slowness(candidates));
  }

  /** A call that comes ends it, and it begins anew once that is answered. */
  async #whileIdle<T>(measure: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (;;) {
      while (this.#holds > 0) await new Promise<void>((go) => this.#waiting.push(go));
      const measurement = (this.#measurement = new AbortController());
      try {
        return await measure(measurement.signal);
      } catch (error) {
        if (!measurement.signal.aborted) throw error;
      } finally {
        this.#measurement = undefined;
      }
    }
  }

  #move(): void {
    if (!this.#isReady || this.#holds > 0 || this.#current === this.#gpu) return;
    this.#current = this.#gpu!;
    this.#why = "measured";
    this.#giveStanding();
    this.#cpu.rest();
    notify(this.#onChange, { device: "webgpu", previous: "cpu" });
  }

  /** The GPU's worker has ended. */
  #lost(): void {
    const wasInUse = this.#current === this.#gpu;
    const reason: unknown = this.#gpu?.ended.reason;
    this.#gpu = undefined;
    this.#isReady = false;
    this.#current = this.#cpu;
    if (this.ended.aborted) return;
    this.#giveStanding();
    this.#stay(reason instanceof Error && reason.message !== "" ? reason.message : undefined);
    if (wasInUse) notify(this.#onChange, { device: "cpu", previous: "webgpu" });
  }

  /** `message`: why, if nobody has said it. */
  #stay(message: string | undefined): void {
    this.#why = this.#measured?.candidates[0]?.device === "cpu" ? "measured" : "failed";
    if (message !== undefined) this.warn({ code: "WEBGPU_FALLBACK", message });
  }

  /** A worker answers in turn, so that what it is called for next finds them. */
  #giveStanding(): void {
    for (const { name, request } of this.#standing) void this.#current.call(name, request, {}).catch(() => {});
  }
}

/** Why a GPU that is right is not used; the engine's own warnings have said so where there is no message. */
class NoGpu extends Error {}

function slowness(candidates: readonly DeviceSpeed[]): string {
  const told = candidates.map(({ device, workers, tokensPerSecond }) => `${Math.round(tokensPerSecond)} tokens a second on ${device === "cpu" ? `the CPU (workers: ${workers})` : "WebGPU"}`);
  return `the WebGPU device is slower than the CPU with this model: ${told.join(", ")}`;
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
