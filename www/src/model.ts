// Is there a model to rerank with? Loads it once, on request, and says where that stands.
import { Reranker, type Warning } from "tabrank";
import type { RequestCounter } from "./network.ts";
import { asProblem } from "./problem.ts";
import type { Store } from "./state.ts";

export class Model {
  #loaded: Promise<Reranker> | undefined;
  #abort = new AbortController();

  constructor(
    private readonly store: Store,
    private readonly source: URL,
    private readonly requests: RequestCounter,
  ) {}

  /** Loaded, or on its way. */
  get wanted(): boolean {
    return this.#loaded !== undefined;
  }

  async isCached(): Promise<boolean> {
    return Reranker.isCached(this.source).catch(() => false);
  }

  /** The one model of the page; a call while it loads joins that load. */
  load(): Promise<Reranker> {
    return (this.#loaded ??= this.#start());
  }

  cancel(): void {
    this.#abort.abort();
  }

  /** Gives the memory back; the next load takes the device chosen by then. */
  unload(): void {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    this.#abort.abort();
    this.requests.stop();
    this.store.set({ model: { kind: "idle" } });
    loaded?.then((reranker) => reranker.dispose()).catch(() => {});
  }

  /** Takes over what a call has shown of the model: a device lost on the way changes it. */
  refresh({ device, warnings }: { device: "cpu" | "webgpu"; warnings: readonly Warning[] }): void {
    const { model } = this.store.state;
    if (model.kind !== "ready") return;
    const news = warnings.filter(({ message }) => !model.warnings.some((known) => known.message === message));
    if (device === model.device && news.length === 0) return;
    this.store.set({ model: { ...model, device, warnings: [...model.warnings, ...news] } });
  }

  async #start(): Promise<Reranker> {
    const abort = (this.#abort = new AbortController());
    const { signal } = abort;
    try {
      const reranker = await this.#fetch(signal);
      signal.throwIfAborted();
      return reranker;
    } catch (error) {
      // A newer load has its own state to show.
      if (this.#abort === abort) {
        this.#loaded = undefined;
        this.store.set({ model: signal.aborted ? { kind: "idle" } : { kind: "failed", problem: asProblem(error) } });
      }
      throw error;
    }
  }

  async #fetch(signal: AbortSignal): Promise<Reranker> {
    let fromCache = false;
    this.store.set({ model: { kind: "loading" } });
    const reranker = await Reranker.load(this.source, {
      device: this.store.state.device,
      signal,
      onProgress: (progress) => {
        fromCache = progress.fromCache;
        if (!signal.aborted) this.store.set({ model: { kind: "loading", progress } });
      },
    });
    if (signal.aborted) {
      reranker.dispose();
      return reranker;
    }
    const { device, model: info, warnings } = reranker;
    this.store.set({ model: { kind: "ready", device, info, warnings: [...warnings], fromCache } });
    this.requests.start();
    return reranker;
  }
}

/** Bytes of the weights as the server states them; nothing is downloaded. */
export async function weightsSize(folder: URL): Promise<number | undefined> {
  const response = await fetch(new URL("model.safetensors", folder), { method: "HEAD" }).catch(() => undefined);
  const length = Number(response?.headers.get("Content-Length"));
  return response?.ok && length > 0 ? length : undefined;
}
