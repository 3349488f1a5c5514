// Pages as images: the model that reads them, what that takes, and the order that a question gives them. Nothing is loaded or read before the user says so.
import { type DocumentEmbeddings, type PagesEstimate, type PagesProgress, type Progress, Reranker, type ScoredExplanation, type Stage } from "tabrank";
import { type ModelSource, placeOf } from "../model-place.ts";
import { askHub, folderFacts, type ModelFacts } from "../model-size.ts";
import type { OwnFile } from "../own/collect.ts";
import { asProblem } from "../problem.ts";
import type { Problem, Weights } from "../state.ts";
import { letGo, PdfPages } from "./pdf-pages.ts";

/** Pixels of the longer side of what is drawn: that of the model, which brings every page to its own. */
const EDGE = 2_048;

/** Half of the model's edge makes a third of the tiles. */
export type Detail = "full" | "half";

/** What orders the pages: their images alone; or one vector of each text, then the images, then the texts token by token. */
export type PageStages = "images" | "both";

export type Step =
  | { kind: "opening" }
  /** Nobody was asked yet how large the model is. */
  | { kind: "unasked"; host: string }
  | { kind: "unloaded"; facts: ModelFacts }
  | { kind: "loading"; progress?: Progress }
  | { kind: "measuring"; progress?: PagesProgress }
  | { kind: "ready"; estimate: PagesEstimate }
  | { kind: "reading"; page: number; progress?: PagesProgress }
  | { kind: "failed"; problem: Problem };

export interface PageHit {
  place: number;
  title: string;
  score: number;
  /** Ranks after each stage, if there were several. */
  ranks: number[];
}

export type Answer = { kind: "none" } | { kind: "asked" } | { kind: "found"; question: string; hits: PageHit[]; milliseconds: number } | { kind: "failed"; problem: Problem };

/** Pages that a question shows. */
const SHOWN = 5;

/** Bytes of some hundred pages' vectors. */
const KEPT = 64_000_000;

interface Candidate {
  id: number;
  text: string;
  embeddings: DocumentEmbeddings;
}

export class PageSearch {
  step: Step = { kind: "opening" };
  answer: Answer = { kind: "none" };
  pdf: PdfPages | undefined;
  detail: Detail = "full";
  stages: PageStages = "images";
  #embeddings: (DocumentEmbeddings | undefined)[] = [];
  #loaded: Promise<Reranker> | undefined;
  #abort = new AbortController();
  /** Questions so far: an answer to one before the last is nobody's. */
  #questions = 0;

  /** `texts`: loads the model that reads texts. `changed` hears of each change. */
  constructor(
    private readonly source: ModelSource,
    private readonly weights: () => Weights,
    private readonly texts: () => Promise<Reranker>,
    private readonly changed: () => void,
  ) {}

  /** Pages that were read. */
  get read(): number {
    return this.#embeddings.filter((page) => page !== undefined).length;
  }

  async open(file: OwnFile): Promise<void> {
    await this.close();
    await this.#try(async (signal) => {
      this.#step({ kind: "opening" });
      this.pdf = await PdfPages.open(file, EDGE);
      this.#embeddings = this.pdf.pages.map(() => undefined);
      signal.throwIfAborted();
      const { source, options } = placeOf(this.source, this.weights());
      if (await Reranker.isCached(source, options).catch(() => false)) return this.#load(signal);
      if (this.source.kind === "hub") return this.#step({ kind: "unasked", host: this.source.hub.host });
      this.#step({ kind: "unloaded", facts: await folderFacts(this.source, this.weights()) });
    });
  }

  /** Asks the hub how large the model is. */
  ask(): Promise<void> {
    return this.#try(async () => {
      if (this.source.kind === "hub") this.#step({ kind: "unloaded", facts: await askHub(this.source) });
    });
  }

  load(): Promise<void> {
    return this.#try((signal) => this.#load(signal));
  }

  /** Pages that were not read yet, one after the other. */
  readAll(): Promise<void> {
    return this.#try(async (signal) => {
      const reranker = await this.#model(signal);
      const pdf = this.pdf!;
      for (const [place, known] of this.#embeddings.entries()) if (!known) this.#embeddings[place] = await this.#readPage(reranker, pdf, place, signal);
      await this.#measure(reranker, signal);
    });
  }

  /** What was read stays. */
  async cancel(): Promise<void> {
    this.#abort.abort();
    const reranker = await this.#loaded?.catch(() => undefined);
    if (reranker) await this.#try((signal) => this.#measure(reranker, signal));
    else if (this.pdf) this.#step(this.source.kind === "hub" ? { kind: "unasked", host: this.source.hub.host } : { kind: "unloaded", facts: {} });
  }

  /** With another detail pages are read anew, unless their vectors were kept. */
  choose(detail: Detail): Promise<void> {
    this.detail = detail;
    this.#embeddings = this.#embeddings.map(() => undefined);
    this.answer = { kind: "none" };
    return this.#try(async (signal) => this.#measure(await this.#model(signal), signal));
  }

  async find(question: string): Promise<void> {
    const { signal } = this.#abort;
    const number = ++this.#questions;
    const tell = (answer: Answer) => {
      if (number === this.#questions && this.pdf) this.#answer(answer);
    };
    tell({ kind: "asked" });
    try {
      const since = performance.now();
      const reranker = await this.#model(signal);
      const stages = this.stages === "both" ? stagesOver(await this.texts()) : undefined;
      const { results } = await reranker.rerank(question, this.#candidates(), { embeddings: ({ embeddings }) => embeddings, text: ({ text }) => text, topK: SHOWN, signal, ...(stages && { stages }) });
      const hits = results.map(({ document, score, stages }) => ({ place: document.id, title: this.pdf!.pages[document.id]!.title, score, ranks: stages.map(({ rank }) => rank) }));
      tell({ kind: "found", question, hits, milliseconds: performance.now() - since });
    } catch (error) {
      tell(signal.aborted ? { kind: "none" } : { kind: "failed", problem: asProblem(error) });
    }
  }

  async explain(question: string, place: number): Promise<ScoredExplanation> {
    const reranker = await this.#model(this.#abort.signal);
    return reranker.explain(question, this.#embeddings[place]!);
  }

  /** Deletes what was kept of pages. */
  async forget(): Promise<void> {
    await (await this.#loaded)?.vectorCache.clear();
  }

  /** Gives all memory back. */
  async close(): Promise<void> {
    this.#abort.abort();
    const [loaded, pdf] = [this.#loaded, this.pdf];
    this.#loaded = this.pdf = undefined;
    this.#embeddings = [];
    this.answer = { kind: "none" };
    await pdf?.close();
    (await loaded?.catch(() => undefined))?.dispose();
  }

  #candidates(): Candidate[] {
    return this.#embeddings.flatMap((embeddings, id) => (embeddings ? [{ id, text: this.pdf!.pages[id]!.text, embeddings }] : []));
  }

  async #load(signal: AbortSignal): Promise<void> {
    await this.#measure(await this.#model(signal), signal);
  }

  #model(signal: AbortSignal): Promise<Reranker> {
    this.#loaded ??= this.#fetch(signal).catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  #fetch(signal: AbortSignal): Promise<Reranker> {
    const { source, options } = placeOf(this.source, this.weights());
    this.#step({ kind: "loading" });
    return Reranker.load(source, {
      ...options,
      vectorCache: { codec: "int8", maxBytes: KEPT, persist: true },
      signal,
      onProgress: (progress) => {
        if (!signal.aborted) this.#step({ kind: "loading", progress });
      },
    });
  }

  async #measure(reranker: Reranker, signal: AbortSignal): Promise<void> {
    this.#step({ kind: "measuring" });
    const left = this.pdf!.pages.filter((_, place) => !this.#embeddings[place]);
    const estimate = await reranker.estimatePages(left.length > 0 ? left : this.pdf!.pages, {
      ...this.#edge(reranker),
      signal,
      onProgress: (progress) => {
        if (!signal.aborted) this.#step({ kind: "measuring", progress });
      },
    });
    this.#step({ kind: "ready", estimate });
  }

  async #readPage(reranker: Reranker, pdf: PdfPages, place: number, signal: AbortSignal): Promise<DocumentEmbeddings> {
    let canvas: HTMLCanvasElement | undefined;
    this.#step({ kind: "reading", page: place });
    try {
      const [page] = await reranker.encodePages([async () => (canvas = await pdf.draw(place, EDGE, signal))], {
        ...this.#edge(reranker),
        signal,
        onProgress: (progress) => {
          if (!signal.aborted) this.#step({ kind: "reading", page: place, progress });
        },
      });
      return page!;
    } finally {
      if (canvas) letGo(canvas);
    }
  }

  #edge({ model }: Reranker): { longestEdge?: number } {
    return this.detail === "half" && model.pages ? { longestEdge: Math.round(model.pages.longestEdge / 2) } : {};
  }

  /** Ends what was under way. What is ended shows nothing of its own. */
  async #try(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    try {
      await task(signal);
    } catch (error) {
      if (!signal.aborted) this.#step({ kind: "failed", problem: asProblem(error) });
    }
  }

  #step(step: Step): void {
    this.step = step;
    this.changed();
  }

  #answer(answer: Answer): void {
    this.answer = answer;
    this.changed();
  }
}

/** One vector a text finds what may be of interest, the images choose, and the texts' own tokens, or a cross-encoder, put those in order. */
function stagesOver(texts: Reranker): Stage<Candidate>[] {
  const last: Stage<Candidate> = texts.model.kind === "crossEncoder" ? { use: "crossEncoder", model: texts } : { use: "late", model: texts };
  const first: Stage<Candidate>[] = texts.model.kind === "crossEncoder" ? [{ use: "bm25", keep: 4 * SHOWN }] : [{ use: "dense", model: texts, keep: 4 * SHOWN }];
  return [...first, { use: "late", keep: SHOWN }, last];
}
