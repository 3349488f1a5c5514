/**
 * The page's side of the protocol. It numbers the calls, and replaces a worker that died: the call it was at is tried once more, unless it asked for more memory
 * than there is, and the calls behind it go to the new worker as they are. A worker that dies with nothing to do is replaced when the next call comes, so a device
 * that keeps dying is not restarted for ever. Whoever listens may call, abort or stop at any event: state is settled first and listeners hear of it last, and once
 * stopped nothing is started or told any more.
 */

import { type ErrorData, RerankerError } from "../error.js";
import type { AnswerMessage, CallMessage, CallName, Calls, LoadAnswer, LoadProgress, LoadRequest, PartialScores } from "../protocol.js";
import type { AdapterName } from "../storage/hardware-notes.js";
import type { CallProgress, Device, Warning } from "../types.js";
import { notify } from "./notify.js";
import { TRANSFERRED } from "./vector-groups.js";
import { type Death, type News, WorkerHandle } from "./worker-handle.js";

/** Deaths of the worker that a load or a call survives. */
const DEATHS = 1;

/** Milliseconds. Drivers reset and machines wake up without their devices, so a lost one is tried again; one that is lost again within this time is left alone. */
const LOSS_PAUSE = 60_000;

/** The load's id; those of other calls count from 1. */
const LOAD = 0;

/** Calls whose effect a new worker has to have too. */
const STANDING: readonly CallName[] = ["codec", "openIndex", "openPages"];

export interface ClientSetup {
  spawn(): Worker;
  load: LoadRequest;
  /** Calls that run or wait at one time. */
  queue: number;
  /** Milliseconds without a sign of life that a worker with work is given. */
  silence: number;
  onProgress(progress: LoadProgress): void;
  onWarning(warning: Warning): void;
  /** Hears of a load in `auto` by an engine of the CPU alone why there is no GPU to try, or whose there is. */
  onGpu?(found: { unavailable: string } | { unavailable?: undefined; adapter: AdapterName }): void;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: CallProgress) => void) | undefined;
  /** Hears what is scored as it comes; again what it has heard, where a new worker begins the call again. */
  onScores?: ((scores: PartialScores) => void) | undefined;
  /** Buffers of the request that are handed over: the call is made once. */
  transfer?: Transferable[] | undefined;
  /** Whatever becomes of the worker, the call is not made again: it rejects with a {@link WorkerDeath}. */
  once?: boolean | undefined;
}

/** Why a call was not answered that is made once. */
export class WorkerDeath extends RerankerError {}

/** Why a GPU that was left to us is used no more. */
export class GpuGivenUp extends RerankerError {}

/** One worker, or several that answer as one. */
export type Client = Pick<WorkerClient, "device" | "ended" | "requireOpen" | "call" | "stop" | "warn"> & { readonly warnings: readonly Warning[] };

interface Pending {
  message: CallMessage;
  transfer: Transferable[];
  once: boolean;
  /** Whether it was sent, to some worker. */
  sent: boolean;
  deaths: number;
  /** What was last told of its progress. */
  done: number;
  onProgress: ((progress: CallProgress) => void) | undefined;
  onScores: ((scores: PartialScores) => void) | undefined;
  resolve(answer: AnswerMessage["answer"]): void;
  reject(reason: unknown): void;
}

export class WorkerClient {
  readonly warnings: Warning[] = [];
  readonly #setup: ClientSetup;
  /** In the order they were made, which is the order the worker answers in. */
  readonly #pending = new Map<number, Pending>();
  /** Those of {@link STANDING} that were answered. */
  readonly #standing: CallMessage[] = [];
  #firstLoad: { resolve(answer: LoadAnswer): void; reject(reason: unknown): void } | undefined;
  #load: LoadRequest;
  #files: Record<string, Blob> | undefined;
  #loadDeaths = 0;
  #lastLoss = -Infinity;
  #isLoaded = false;
  #handle: WorkerHandle | undefined;
  #device: Device = "cpu";
  #triesWebGpu = false;
  #nextId = LOAD + 1;
  readonly #end = new AbortController();

  constructor(setup: ClientSetup) {
    this.#setup = setup;
    this.#load = setup.load;
  }

  get device(): Device {
    return this.#device;
  }

  /** Aborted, with the reason, once the client was stopped. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  /** Whether it owes no answer. */
  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** What another worker loads to have the same model on the CPU, without a fetch; undefined where this one was not asked to share, or is not that far. */
  get copy(): LoadRequest | undefined {
    const { checkpoint, convert } = this.#load;
    const given = this.#isLoaded && checkpoint?.kind === "files" && !convert ? checkpoint.files : undefined;
    const files = this.#files ?? given;
    return files && { ...this.#load, checkpoint: { kind: "files", files }, device: "cpu", convert: undefined, resume: false };
  }

  load(): Promise<LoadAnswer> {
    return new Promise((resolve, reject) => {
      this.requireOpen(undefined);
      this.#firstLoad = { resolve, reject };
      this.#spawn();
    });
  }

  /** Throws where no call may begin. */
  requireOpen(signal: AbortSignal | undefined): void {
    this.ended.throwIfAborted();
    signal?.throwIfAborted();
  }

  async call<K extends Exclude<CallName, "load">>(name: K, request: Calls[K]["request"], options: CallOptions): Promise<Calls[K]["answer"]> {
    this.requireOpen(options.signal);
    if (this.#pending.size >= this.#setup.queue) throw busy(this.#setup.queue);
    const id = this.#nextId++;
    const message = { type: "call", id, name, request } as CallMessage;
    const cancel = () => this.#cancel(id, options.signal?.reason);
    options.signal?.addEventListener("abort", cancel);
    try {
      const answer = (await this.#answerTo(message, options)) as Calls[K]["answer"];
      if (STANDING.includes(name)) this.#standing.push(message);
      return answer;
    } finally {
      options.signal?.removeEventListener("abort", cancel);
    }
  }

  /** Ends the worker until it is called again. */
  rest(): void {
    if (!this.isIdle || !this.#handle) return;
    this.#handle.end();
    this.#handle = undefined;
    this.#prepareNext();
  }

  /** Ends the worker for good. Calls that are open, and those to come, reject with the reason. */
  stop(reason: unknown): void {
    this.#endAll(reason);
    this.#end.abort(reason);
  }

  /** A worker that takes over repeats what the load warned of. */
  warn(warning: Warning): void {
    if (this.ended.aborted) return;
    if (this.warnings.some(({ code, message }) => code === warning.code && message === warning.message)) return;
    this.warnings.push(warning);
    this.#setup.onWarning(warning);
  }

  #answerTo(message: CallMessage, { onProgress, onScores, transfer = [], once = transfer.length > 0 }: CallOptions): Promise<AnswerMessage["answer"]> {
    return new Promise((resolve, reject) => {
      const pending = { message, transfer, once, sent: false, deaths: 0, done: 0, onProgress, onScores, resolve, reject };
      this.#pending.set(message.id, pending);
      this.#send(pending);
      if (!this.#handle) this.#spawn();
    });
  }

  /** What cannot cross fails by itself. */
  #send(pending: Pending): void {
    if (!this.#handle) return;
    try {
      this.#handle.send(pending.message, pending.transfer);
      pending.sent = true;
    } catch (cause) {
      this.#take(pending.message.id)?.reject(stuck(cause));
    }
  }

  #cancel(id: number, reason: unknown): void {
    this.#take(id)?.reject(reason);
    this.#handle?.send({ type: "cancel", id });
  }

  /** The worker answers calls in turn, so those behind the load need not wait here. */
  #spawn(): void {
    this.#isLoaded = false;
    this.#triesWebGpu = false;
    try {
      this.#handle = new WorkerHandle(this.#setup.spawn(), this.#setup.silence, {
        message: (message) => this.#receive(message),
        death: (death) => this.#died(death),
      });
      this.#handle.send({ type: "call", id: LOAD, name: "load", request: this.#load });
      for (const message of this.#standing) this.#handle.send(message);
      for (const pending of this.#pending.values()) this.#send(pending);
    } catch (error) {
      this.#endAll(error);
    }
  }

  #receive(message: News): void {
    switch (message.type) {
      case "answer":
        return message.name === "load" ? this.#loaded(message.answer) : this.#take(message.id)?.resolve(message.answer);
      case "failed":
        return message.id === LOAD ? this.#endAll(new RerankerError(message.error)) : this.#take(message.id)?.reject(new RerankerError(message.error));
      case "batch":
        return this.#progressed(message.id, message);
      case "partial":
        return this.#pending.get(message.id)?.onScores?.(message);
      case "compiled":
        this.#load = { ...this.#load, wasm: message.module };
        return;
      case "files":
        this.#files = message.files;
        this.#load = { ...this.#load, share: false };
        return;
      case "gpu":
        // It is looked for once: a worker that comes later has nobody to tell.
        this.#load = { ...this.#load, device: "cpu" };
        return this.#setup.onGpu?.(message);
      case "trying-webgpu":
        this.#triesWebGpu = true;
        return;
      case "progress":
        return this.#setup.onProgress(message.progress);
      case "warning":
        return this.warn(message.warning);
    }
  }

  /** A call that is begun again passes what it had done once more. */
  #progressed(id: number, { done, total }: CallProgress): void {
    const pending = this.#pending.get(id);
    if (!pending || done <= pending.done) return;
    pending.done = done;
    notify(pending.onProgress, { done, total });
  }

  #loaded(answer: LoadAnswer): void {
    this.#isLoaded = true;
    this.#loadDeaths = 0;
    this.#device = answer.device;
    this.#triesWebGpu = answer.device === "webgpu";
    for (const warning of answer.warnings) this.warn(warning);
    this.#firstLoad?.resolve(answer);
  }

  /** A worker that could not tell what it was at was at the oldest call. */
  #died({ error, started, id = this.#pending.keys().next().value }: Death): void {
    this.#handle = undefined;
    if (!started) return this.#endAll(new RerankerError(error));
    this.#rejectSent(error);
    this.#prepareNext();
    const gpu = this.#load.device === "auto" && this.#triesWebGpu;
    if (gpu && this.#isGpusFault(error)) return this.stop(new GpuGivenUp({ ...error, message: `WebGPU failed and the CPU takes over: ${error.message}` }));
    if (!this.#isLoaded && ++this.#loadDeaths > DEATHS) return this.#endAll(new RerankerError(error));
    if (this.#isLoaded) this.#countDeath(error, id);
    this.#replace();
  }

  /** Calls that are made once went with the worker. */
  #rejectSent(error: ErrorData): void {
    for (const [id, { sent, once }] of [...this.#pending]) if (sent && once) this.#take(id)?.reject(new WorkerDeath(error));
  }

  #replace(): void {
    if (!this.#isLoaded || this.#pending.size > 0) this.#spawn();
  }

  /** The next worker uses what this one stored. */
  #prepareNext(): void {
    const { checkpoint } = this.#load;
    const kept = this.#isLoaded && checkpoint?.kind === "folder" && checkpoint.cache === "reload" ? { ...checkpoint, cache: "use" as const } : checkpoint;
    this.#load = { ...this.#load, checkpoint: kept, resume: true };
  }

  /** Whether a GPU that was in use may have killed the worker, and is to be left alone. */
  #isGpusFault({ code }: ErrorData): boolean {
    if (!this.#isLoaded) return true;
    if (code !== "DEVICE_LOST") return code !== "OUT_OF_MEMORY";
    const now = performance.now();
    const isAgain = now - this.#lastLoss < LOSS_PAUSE;
    this.#lastLoss = now;
    return isAgain;
  }

  /** A call that took all memory would do so again. */
  #countDeath(error: ErrorData, id: number | undefined): void {
    const running = id === undefined ? undefined : this.#pending.get(id);
    if (!running || (++running.deaths <= DEATHS && error.code !== "OUT_OF_MEMORY")) return;
    this.#take(running.message.id)?.reject(new RerankerError(error));
  }

  #endAll(reason: unknown): void {
    this.#handle?.end();
    this.#handle = undefined;
    this.#loadDeaths = 0;
    this.#firstLoad?.reject(reason);
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#pending.clear();
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}

/** All that a call sends is the page's own, but for the buffers of lists. */
function stuck(cause: unknown): RerankerError {
  if (/memory/i.test(String(cause))) return new RerankerError({ code: "OUT_OF_MEMORY", message: "the page got no memory for a copy of the call" }, { cause });
  return new RerankerError({ code: "INVALID_INPUT", message: TRANSFERRED }, { cause });
}

export function busy(queue: number): RerankerError {
  return new RerankerError({ code: "BUSY", message: `${queue} calls are running or waiting` });
}
