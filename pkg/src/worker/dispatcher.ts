/** The worker's side of the protocol: one call at a time, in the order they came. It knows no worker, so tests run it without one. */

import type { ErrorData } from "../error.js";
import type { AnswerMessage, CallMessage, CostAnswer, CostRequest, EncodeAnswer, EncodeRequest, EngineKind, ExplainRequest, FromWorker, LoadAnswer, LoadRequest, MatchesAnswer, MatchesRequest, OpenIndexRequest, PartialScores, RerankAnswer, RerankRequest, SearchIndexAnswer, SearchIndexRequest, SimilarityRequest, ToWorker } from "../protocol.js";
import type { IndexInfo } from "../search.js";
import type { Device, Explanation, Progress } from "../types.js";
import type { Decoder } from "./decoder.js";
import type { Checkpoint, Engine, EngineModule, Hooks } from "./engine.js";
import { errorData, isDeath } from "./failure.js";
import { withHint } from "./hints.js";
import { noteGpuFault } from "./gpu.js";
import { loadEngine } from "./load-engine.js";
import { OpenIndex } from "./open-index.js";
import { PageEncoder } from "./page-encoder.js";
import { pixelsOf } from "./pixels.js";
import { ProductForm } from "./product-form.js";
import { speedOf } from "./speed.js";
import { StageClock } from "./stage-clock.js";
import { EventLoop } from "./task.js";
import { Vectors } from "./vectors.js";

/** Milliseconds between two signs of life while a call runs. */
const HEARTBEAT = 1_000;

/** Codes of a call that failed by its GPU, if it ran on one. */
const GPU_FAULTS = new Set<ErrorData["code"]>(["DEVICE_LOST", "DEVICE_REJECTED", "NON_FINITE"]);

export type Post = (message: FromWorker, transfer: Transferable[]) => void;

/** The module that was loaded, and what goes with it. */
interface Parts<C extends Checkpoint> {
  module: EngineModule<C>;
  vectors: Vectors;
  productForm: ProductForm;
}

export class Dispatcher<C extends Checkpoint> {
  readonly #engines: Record<EngineKind, EngineModule<C>>;
  readonly #send: Post;
  readonly #decoder: Decoder;
  /** Calls that wait or run, and were not cancelled: what ends each. */
  readonly #open = new Map<number, AbortController>();
  readonly #eventLoop = new EventLoop();
  #parts: Parts<C> | undefined;
  #queue: Promise<void> = Promise.resolve();
  #engine: Engine | undefined;
  #pages: PageEncoder<C> | undefined;
  #index: Promise<OpenIndex> | undefined;
  /** The engine's, which is not asked again: after a panic it cannot answer. */
  #device: Device | undefined;
  #panic: string | undefined;
  #running: number | undefined;
  #phase: Progress["phase"] = "compile";
  #dead = false;

  constructor(engines: Record<EngineKind, EngineModule<C>>, send: Post, decoder: Decoder) {
    this.#engines = engines;
    this.#send = send;
    this.#decoder = decoder;
    this.#post({ type: "started" });
  }

  receive(message: ToWorker): void {
    if (message.type === "cancel") {
      this.#open.get(message.id)?.abort();
      this.#open.delete(message.id);
      return;
    }
    this.#open.set(message.id, new AbortController());
    this.#queue = this.#queue.then(() => this.#run(message));
  }

  /** Something failed outside of any call, where the engine's own tasks run. */
  failed(error: unknown): void {
    this.#die(errorData(error, this.#panic));
  }

  /** A device that was given up during the load, or one that the engine left for the CPU, is no loss. */
  gpuFailed(message: string, discarded: boolean): void {
    const inUse = this.#device ? this.#device === "webgpu" : !discarded;
    if (inUse) this.#die({ code: "DEVICE_LOST", message });
  }

  /** The engine would wait for ever. */
  gpuSilent(message: string): void {
    if (this.#device === "cpu") return;
    this.#die({ code: "TIMEOUT", message: this.#engine ? message : `${message}, in the phase "${this.#phase}" of the load` });
  }

  async #run(message: CallMessage): Promise<void> {
    if (this.#dead || !this.#open.has(message.id)) return;
    this.#running = message.id;
    const heartbeat = setInterval(() => this.#post({ type: "alive" }), HEARTBEAT);
    try {
      const answer = await this.#answer(message);
      if (this.#open.has(message.id)) this.#post(answer, transferables(answer));
      if (this.#multipliesBytes(message)) await this.#loaded().productForm.settle();
    } catch (error) {
      await this.#refuse(message.id, error);
    }
    clearInterval(heartbeat);
    this.#running = undefined;
    this.#open.delete(message.id);
  }

  async #answer(message: CallMessage): Promise<AnswerMessage> {
    const { id, name, request } = message;
    switch (name) {
      case "load":
        return { type: "answer", id, name, answer: await this.#load(request) };
      case "rerank":
        return { type: "answer", id, name, answer: await this.#rerank(id, request) };
      case "encode":
        return { type: "answer", id, name, answer: await this.#encode(id, request) };
      case "explain":
        return { type: "answer", id, name, answer: await this.#explain(id, request) };
      case "cost":
        return { type: "answer", id, name, answer: await this.#cost(id, request) };
      case "similarity":
        return { type: "answer", id, name, answer: await this.#similarity(id, request) };
      case "matches":
        return { type: "answer", id, name, answer: this.#matches(request) };
      case "measure":
        return { type: "answer", id, name, answer: await speedOf(this.#loadedEngine(), this.#hooks(id)) };
      case "codec":
        return { type: "answer", id, name, answer: this.#loaded().vectors.addCodec(request) };
      case "openPages":
        return { type: "answer", id, name, answer: await loaded(this.#pages).open(request, this.#hooks(id)) };
      case "pixels":
        return { type: "answer", id, name, answer: await pixelsOf(request, this.#decoder) };
      case "layouts":
        return { type: "answer", id, name, answer: loaded(this.#pages).layouts(request) };
      case "tiles":
        return { type: "answer", id, name, answer: await loaded(this.#pages).tiles(request, this.#hooks(id)) };
      case "page":
        return { type: "answer", id, name, answer: await loaded(this.#pages).page(request, this.#hooks(id)) };
      case "openIndex":
        return { type: "answer", id, name, answer: await this.#openIndex(id, request) };
      case "searchIndex":
        return { type: "answer", id, name, answer: await this.#searchIndex(id, request) };
      case "checkOperations":
        return { type: "answer", id, name, answer: await this.#loaded().module.checkOperations(request.device, request.seed) };
    }
  }

  async #load(request: LoadRequest): Promise<LoadAnswer> {
    const module = this.#engines[request.engine];
    const { productForm } = (this.#parts = { module, vectors: new Vectors(module), productForm: new ProductForm(module) });
    const onPanic = (text: string) => (this.#panic = text);
    const post = (message: FromWorker) => {
      if (message.type === "progress") this.#phase = message.progress.phase;
      this.#post(message);
    };
    this.#engine = (await loadEngine(module, request, post, onPanic)) ?? undefined;
    const simd = module.simd();
    if (!this.#engine) return { device: (this.#device = request.device === "webgpu" ? "webgpu" : "cpu"), simd, warnings: [] };
    const { device, info, warnings, gpuKernel, hasPages } = this.#engine;
    this.#device = device;
    this.#pages = new PageEncoder(module, this.#engine);
    await productForm.recall();
    return { device, simd, model: info, warnings, ...(gpuKernel && { gpuKernel }), ...(hasPages && { hasPages }) };
  }

  async #rerank(id: number, { query, texts, vectors, base, partial = false, until, ...request }: RerankRequest): Promise<RerankAnswer> {
    const clock = new StageClock();
    const brought = vectors && this.#loaded().vectors.of(vectors);
    const hooks = this.#hooks(id, clock);
    if (partial) Object.assign(hooks, this.#tellers(id, clock, request.stages.length, base));
    if (until !== undefined) hooks.over = () => Date.now() >= until;
    const ranked = await this.#loadedEngine().rerank(query, texts, there(request), hooks, brought);
    const { indices, sameAs, parts, ...rest } = ranked;
    const timings = { ...clock.stop(request.stages.length), ...(parts && { encoder: parts }) };
    return { ...rest, indices: indices.map((index) => index + base), sameAs: sameAs.map((index) => index + base), timings };
  }

  #encode(id: number, { kind, texts, pooling, tokenPooling, windows }: EncodeRequest): Promise<EncodeAnswer> {
    return this.#loadedEngine().encode(kind, texts, there({ pooling, tokenPooling, windows }), this.#hooks(id));
  }

  #explain(id: number, { query, document, windows }: ExplainRequest): Promise<Explanation> {
    return this.#loadedEngine().explain(query, document, there({ windows }), this.#hooks(id));
  }

  async #cost(id: number, { query, texts, windows }: CostRequest): Promise<CostAnswer> {
    const begin = performance.now();
    const cost = await this.#loadedEngine().cost(query, texts, there({ windows }), this.#hooks(id));
    return { ...cost, tokenize: performance.now() - begin };
  }

  /** Query after query: between two of them a cancellation is seen. */
  async #similarity(id: number, { queries, documents, count, mean }: SimilarityRequest): Promise<Float32Array> {
    const { module, vectors } = this.#loaded();
    const scored = new module.ScoredDocuments(vectors.of(documents), count);
    const scores = new Float32Array(queries.lengths.length * count);
    let start = 0;
    for (const [place, length] of queries.lengths.entries()) {
      if (!(await this.#goesOn(id))) break;
      const end = start + length * queries.dimension;
      scores.set(scored.maxsim(queries.values.subarray(start, end), mean), place * count);
      start = end;
    }
    scored.free();
    return scores;
  }

  #matches({ query, document }: MatchesRequest): MatchesAnswer {
    const { module, vectors } = this.#loaded();
    const scored = new module.ScoredDocuments(vectors.of(document), 1);
    try {
      const [score] = scored.maxsim(query, false) as unknown as [number];
      return { score, similarities: scored.similarities(query) };
    } finally {
      scored.free();
    }
  }

  /** One that could not be opened says so to each search: a worker that took over may have met another server than the first. */
  async #openIndex(id: number, request: OpenIndexRequest): Promise<IndexInfo> {
    this.#index = OpenIndex.open(this.#loaded().module, request, {
      progress: this.#batchesOf(id),
      warn: (warning) => this.#post({ type: "warning", warning }),
    });
    return (await this.#index).info;
  }

  async #searchIndex(id: number, request: SearchIndexRequest): Promise<SearchIndexAnswer> {
    if (!this.#index) throw new Error("a search came before the index");
    return (await this.#index).search(there(request), this.#open.get(id)!.signal, this.#batchesOf(id));
  }

  #batchesOf(id: number) {
    return (done: number, total: number) => this.#post({ type: "batch", id, done, total });
  }

  /** Whether a call has encoded texts or pages on the CPU with quantized weights. */
  #multipliesBytes({ name }: CallMessage): boolean {
    const quantized = this.#engine?.info.dtype === "q8" || this.#engine?.info.dtype === "q4";
    return quantized && this.#device === "cpu" && (name === "rerank" || name === "encode" || name === "tiles");
  }

  #loaded(): Parts<C> {
    return loaded(this.#parts);
  }

  #loadedEngine(): Engine {
    return loaded(this.#engine);
  }

  #hooks(id: number, clock?: StageClock): Hooks {
    return {
      stage: (name) => clock?.part(name),
      ranking: (place) => clock?.stage(place),
      batch: (done, total) => {
        if (this.#open.has(id)) this.#post({ type: "batch", id, done, total });
        return this.#goesOn(id);
      },
      pause: () => this.#goesOn(id),
    };
  }

  /** Hooks that tell the page of the last of so many stages. */
  #tellers(id: number, clock: StageClock, stages: number, base: number): Pick<Hooks, "ranking" | "scored"> {
    const tell = (scores: PartialScores) => {
      if (this.#open.has(id)) this.#post({ type: "partial", id, ...scores });
    };
    return {
      ranking: (place, left) => {
        clock.stage(place);
        if (place > 0 && place === stages - 1) tell({ indices: new Uint32Array(), scores: new Float32Array(), left: left.map((index) => index + base) });
      },
      scored: (indices, scores, bound) => tell({ indices: indices.map((index) => index + base), scores, ...(bound !== undefined && { bound }) }),
    };
  }

  /** False once a call was cancelled. */
  #goesOn(id: number): boolean | Promise<boolean> {
    const turn = this.#eventLoop.turn();
    return turn ? turn.then(() => this.#open.has(id)) : this.#open.has(id);
  }

  async #refuse(id: number, error: unknown): Promise<void> {
    const data = errorData(error, this.#panic);
    const gpuFailed = this.#device === "webgpu" && GPU_FAULTS.has(data.code);
    if (gpuFailed && data.code === "DEVICE_REJECTED") await noteGpuFault(data.message);
    if (gpuFailed || isDeath(error, this.#panic)) this.#die(data);
    else if (this.#open.has(id)) this.#post({ type: "failed", id, error: withHint(data, this.#device, this.#device === undefined || this.#engine !== undefined) });
  }

  #die(error: ErrorData): void {
    this.#post({ type: "fatal", error: withHint(error, this.#device), ...(this.#running !== undefined && { id: this.#running }) });
    this.#dead = true;
  }

  #post(message: FromWorker, transfer: Transferable[] = []): void {
    if (!this.#dead) this.#send(message, transfer);
  }
}

function loaded<L>(what: L | undefined): L {
  if (!what) throw new Error("a call came before the load");
  return what;
}

/** Those that are there: the engine's types know no undefined. */
function there<O extends object>(options: O): { [K in keyof O]: Exclude<O[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof O]: Exclude<O[K], undefined> };
}

function transferables(message: AnswerMessage): Transferable[] {
  return arraysOf(message).map((array) => array.buffer as ArrayBuffer);
}

function arraysOf({ name, answer }: AnswerMessage): ArrayBufferView[] {
  switch (name) {
    case "rerank":
      return [answer.indices, answer.scores, answer.ranks, answer.sameAs, answer.truncated, ...keptArrays(answer)];
    case "encode":
      return [...answer.parts, answer.lengths, answer.truncated];
    case "similarity":
      return [answer];
    case "matches":
      return [answer.similarities];
    case "pixels":
      return [answer.rgba];
    case "tiles":
      return [answer];
    case "page":
      return [answer.codes, answer.patches, ...(answer.scales ? [answer.scales] : [])];
    case "searchIndex":
      return [answer.scores];
    default:
      return [];
  }
}

function keptArrays({ kept }: RerankAnswer): ArrayBufferView[] {
  if (!kept) return [];
  const { lengths, places, codes, scales, truncated } = kept;
  return [lengths, places, codes, truncated, ...(scales ? [scales] : [])];
}
