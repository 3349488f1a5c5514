// Is there a model to rerank with? Loads it once, on request, and says where that stands.
import { Reranker, type Warning } from "tabrank";
import { KNOWN_MODELS } from "./known-models.ts";
import { type ModelPlace, nameOf, placeOf } from "./model-place.ts";
import { askHub, folderFacts, type ModelFacts } from "./model-size.ts";
import type { RequestCounter } from "./network.ts";
import { asProblem } from "./problem.ts";
import type { State, Store } from "./state.ts";

/** Texts that the page may hold. */
export const MOST_DOCUMENTS = 10_000;

export class Model {
  #loaded: Promise<Reranker> | undefined;
  #abort = new AbortController();

  constructor(
    private readonly store: Store,
    private readonly requests: RequestCounter,
  ) {}

  /** Loaded, or on its way. */
  get wanted(): boolean {
    return this.#loaded !== undefined;
  }

  /** Where the weights of the chosen type are. */
  private get place(): ModelPlace {
    return placeOf(this.store.state.source, this.store.state.weights);
  }

  async isCached(): Promise<boolean> {
    const { source, options } = this.place;
    return Reranker.isCached(source, options).catch(() => false);
  }

  /** What is known of the chosen model before it is loaded; no other site is asked for it. */
  async facts(): Promise<ModelFacts> {
    const { source, weights } = this.store.state;
    if (source.kind === "folder") return folderFacts(source, weights);
    const known = KNOWN_MODELS.find(({ id }) => id === source.id);
    return known ? { size: known.size, licence: known.licence } : {};
  }

  /** Asks the hub of the chosen model. */
  async ask(): Promise<void> {
    const { source } = this.store.state;
    if (source.kind !== "hub") return;
    const answer = await askHub(source).then((facts): Partial<State> => ({ facts, model: { kind: "idle" } }), (error: unknown): Partial<State> => ({ model: { kind: "failed", problem: asProblem(error) } }));
    if (this.store.state.source === source) this.store.set(answer);
  }

  /** The one model of the page; a call while it loads joins that load. */
  load(): Promise<Reranker> {
    return (this.#loaded ??= this.#start());
  }

  cancel(): void {
    this.#abort.abort();
  }

  /** Gives the memory back; the next load takes the device and the weights chosen by then. */
  unload(): void {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    this.#abort.abort();
    this.requests.stop();
    this.store.set({ model: { kind: "idle" } });
    loaded?.then((reranker) => reranker.dispose()).catch(() => {});
  }

  /** Takes over what a call has shown of the model: a device lost on the way changes it. What a call warns of its own question is not the model's. */
  refresh({ device, warnings }: { device: "cpu" | "webgpu"; warnings: readonly Warning[] }): void {
    const { model } = this.store.state;
    if (model.kind !== "ready") return;
    const news = warnings.filter(({ code, message }) => code !== "QUERY_TRUNCATED" && !model.warnings.some((known) => known.message === message));
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
    const { source, options } = this.place;
    const name = nameOf(this.store.state.source);
    let [size, fromCache] = [0, false];
    this.store.set({ model: { kind: "loading", name } });
    const reranker = await Reranker.load(source, {
      ...options,
      device: this.store.state.device,
      // Questions one after the other share candidates. Scores are shown to two places, which f16 has.
      vectorCache: { codec: "f16" },
      // The search by words sends all texts at once.
      limits: { documents: MOST_DOCUMENTS },
      signal,
      onDeviceChange: ({ device }) => this.refresh({ device, warnings: [] }),
      onProgress: (progress) => {
        [size, fromCache] = [progress.total, progress.fromCache];
        if (!signal.aborted) this.store.set({ model: { kind: "loading", name, progress } });
      },
    });
    if (signal.aborted) {
      reranker.dispose();
      return reranker;
    }
    const { device, simd, model: info, warnings } = reranker;
    this.store.set({ model: { kind: "ready", name, device, simd, info, warnings: [...warnings], size, fromCache } });
    this.requests.start();
    return reranker;
  }
}
