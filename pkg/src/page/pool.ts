/**
 * How does one call use several workers? A document's embeddings and score are a function of the model, the query and its own text, so that a list can be cut where a
 * stage reads documents one by one:
 *
 * | call | cut | joined |
 * | --- | --- | --- |
 * | `encode` of documents | anywhere | one part behind the other |
 * | `rerank` in one stage by a model | by documents; those of the same text go together, and so do those that bring embeddings, which take next to no time | by score, then by place |
 * | `rerank` in several stages, or fused | what is left when a model's turn comes, in the same way | one worker ranks by the scores, see {@link stagedRanking} |
 * | `tiles` of a page | by tiles | one part behind the other |
 * | all else | not at all | |
 *
 * What ranks needs the whole list: the order, what a stage keeps, thresholds and fusion are one worker's, and so is all of a call that tells documents apart
 * (`diversify`), or hands over buffers to several stages that are explained. The cut is made as workers come for more, see {@link Cut}, so
 * that one that is slower, or dies, has less; whatever the cut, the numbers are the same to the bit, since all workers are on the CPU.
 *
 * The first worker is there from the load on, and answers what is not cut. The others are started once it has given a first result, so that this comes no later: with
 * the module that it compiled and the files that it loaded, which no one fetches again. Of a call that is long these are the scores of its first batches, and whoever
 * comes takes parts of what is left. One that dies is let go, and another takes its place at a later call. Where the first worker is on a GPU it is alone.
 */

import type { CallMessage, CallName, Calls, EncodeRequest, LoadRequest, PartialScores, RerankRequest, Speed, StandingCall, TilesRequest } from "../protocol.js";
import type { CallProgress, Device, ModelInfo, Warning } from "../types.js";
import { Cut, tokensOf, type Unit } from "./cut.js";
import { type Answered, CutCall, type CutName, type CutPlan } from "./cut-call.js";
import { Headcount } from "./headcount.js";
import { joinedArrays } from "./joined-arrays.js";
import { joinedEmbeddings, joinedRanking } from "./joined-answers.js";
import { notify } from "./notify.js";
import { type Batch, secondBatch } from "./second-batch.js";
import { isReader, stagedRanking } from "./staged-ranking.js";
import { groupsAt } from "./vector-groups.js";
import { busy, type CallOptions, type Client, type WorkerClient } from "./worker-client.js";

type Called = Exclude<CallName, "load">;

/** Milliseconds that are left of a first call for which others are started: several times what it takes until one is there. */
const LONG = 1_000;

/** Tokens of a text that take as long as a tile of a page: its patches, before four by four of them become one. */
const TILE = 1_024;

export interface PoolSetup {
  model: ModelInfo;
  workers: "auto" | number;
  /** Calls that run or wait at one time. */
  queue: number;
  /** A worker that is to load this. */
  another(load: LoadRequest): WorkerClient;
}

export function tokensPerSecond({ tokens, ms }: Speed): number {
  return (1000 * tokens) / ms;
}

export class Pool implements Client {
  readonly #first: WorkerClient;
  readonly #setup: PoolSetup;
  readonly #headcount: Headcount;
  /** Those that take parts. */
  #members: WorkerClient[];
  /** Those that are loading. */
  readonly #coming = new Set<WorkerClient>();
  readonly #cutCalls: CutCall<CutName>[] = [];
  /** Codecs and the page side, which each worker is given. */
  readonly #standing: StandingCall[] = [];
  #open = 0;
  /** Whether the first one has given a result. */
  #mayGrow = false;

  /** `first`: a worker that has loaded the model. */
  constructor(first: WorkerClient, setup: PoolSetup) {
    this.#first = first;
    this.#setup = setup;
    this.#members = [first];
    this.#headcount = new Headcount(setup.workers, setup.model);
  }

  get device(): Device {
    return this.#first.device;
  }

  get workers(): number {
    return this.#members.length;
  }

  get warnings(): readonly Warning[] {
    return this.#first.warnings;
  }

  get ended(): AbortSignal {
    return this.#first.ended;
  }

  warn(warning: Warning): void {
    this.#first.warn(warning);
  }

  requireOpen(signal: AbortSignal | undefined): void {
    this.#first.requireOpen(signal);
  }

  stop(reason: unknown): void {
    for (const client of [...this.#members, ...this.#coming, this.#first]) client.stop(reason);
  }

  /** How fast its workers are, all at once, when none has anything else to do. */
  async measure(options: CallOptions): Promise<{ workers: number; tokensPerSecond: number }> {
    const speeds = await Promise.all(this.#members.map((client) => client.call("measure", {}, options)));
    return { workers: speeds.length, tokensPerSecond: speeds.reduce((sum, speed) => sum + tokensPerSecond(speed), 0) };
  }

  /** Ends all workers until there is a call: then the first one starts anew. */
  rest(): void {
    for (const client of [...this.#members, ...this.#coming]) if (client !== this.#first) client.stop(this.ended.reason);
    this.#members = [this.#first];
    this.#first.rest();
  }

  async call<K extends Called>(name: K, request: Calls[K]["request"], options: CallOptions): Promise<Calls[K]["answer"]> {
    this.requireOpen(options.signal);
    if (this.#open >= this.#setup.queue) throw busy(this.#setup.queue);
    this.#open++;
    try {
      return (await this.#answerTo({ name, request } as CallMessage, options)) as Calls[K]["answer"];
    } finally {
      this.#open--;
      this.#advance();
    }
  }

  #answerTo({ name, request }: CallMessage, options: CallOptions): Promise<unknown> {
    switch (name) {
      case "rerank":
        return this.#rerank(request, options);
      case "encode":
        return this.#encode(request, options);
      case "tiles":
        return this.#tiles(request, options);
      case "codec":
        return this.#stand({ name, request }, options);
      case "openPages":
        return this.#stand({ name, request }, options);
      default:
        return this.#first.call(name as Called, request as never, options);
    }
  }

  async #rerank(request: RerankRequest, options: CallOptions): Promise<Calls["rerank"]["answer"]> {
    const cut = canBeCut(request, options) ? this.#cutOf(request) : undefined;
    if (!cut || !this.#isFor(cut)) return this.#whole("rerank", request, cut, options);
    if (!isOfOneStage(request)) return this.#rerankInStages(request, options);
    const begin = performance.now();
    const parts = await this.#inParts({ name: "rerank", cut, total: request.texts.length, requestOf: (places) => partOf(request, places) }, options);
    return joinedRanking(request, parts, performance.now() - begin);
  }

  #rerankInStages(request: RerankRequest, options: CallOptions): Promise<Calls["rerank"]["answer"]> {
    const { signal } = options;
    return stagedRanking(request, {
      whole: (request, isAll) => this.#first.call("rerank", request, isAll ? options : { signal, onScores: options.onScores }),
      parts: async (request, places, order) => {
        const list = partOf(request, places);
        const cut = this.#cutOf(list);
        if (!this.#isFor(cut)) return undefined;
        const { onScores } = options;
        if (request.partial && order) onScores?.({ indices: new Uint32Array(), scores: new Float32Array(), left: order });
        const onParts = onScores && (({ indices, ...scores }: PartialScores) => onScores({ ...scores, indices: indices.map((at) => places[at]!) }));
        const parts = await this.#inParts({ name: "rerank", cut, total: places.length, requestOf: (part) => partOf(list, part) }, { ...options, onScores: onParts });
        return parts.map((part) => ({ ...part, places: part.places.map((at) => places[at]!) }));
      },
      explained: (request, places) => this.#rerank({ ...partOf(request, places), stages: [{ use: "late" }], topK: places.length, explain: true, minScore: undefined, fuse: undefined, partial: false }, { signal }),
    });
  }

  #cutOf(request: RerankRequest): Cut {
    return new Cut(unitsOf(request, this.#setup.model), "dealt");
  }

  async #encode(request: EncodeRequest, options: CallOptions): Promise<Calls["encode"]["answer"]> {
    const { kind, texts } = request;
    const most = mostTokens(request, this.#setup.model);
    const cut = kind === "document" ? new Cut(texts.map((text, place) => ({ places: [place], cost: tokensOf(text, most) })), "in a row") : undefined;
    if (!cut || !this.#isFor(cut)) return this.#whole("encode", request, cut, options);
    const requestOf = (places: readonly number[]) => ({ ...request, texts: places.map((place) => texts[place]!) });
    return joinedEmbeddings(await this.#inParts({ name: "encode", cut, total: texts.length, requestOf }, options));
  }

  /** A tile is as long as a text of that many tokens, about. */
  async #tiles(request: TilesRequest, options: CallOptions): Promise<Calls["tiles"]["answer"]> {
    const { start, end } = request;
    const cut = new Cut(Array.from({ length: end - start }, (_, place) => ({ places: [place], cost: TILE })), "in a row");
    if (!this.#isFor(cut)) return this.#whole("tiles", request, cut, options);
    const requestOf = (places: readonly number[]) => ({ ...request, start: start + places[0]!, end: start + places.at(-1)! + 1 });
    const parts = await this.#inParts({ name: "tiles", cut, total: end - start, requestOf }, options);
    return joinedArrays(Float32Array, parts.map(({ answer }) => answer));
  }

  async #stand({ name, request }: StandingCall, options: CallOptions): Promise<unknown> {
    const answer = await this.#first.call(name, request, options);
    // Whoever is loading takes it from there.
    this.#standing.push({ name, request } as StandingCall);
    const others = this.#members.filter((client) => client !== this.#first);
    await Promise.all(others.map((client) => client.call(name, request, {}).catch(() => this.#lost(client))));
    return answer;
  }

  /** By the first worker alone; a list as long as this one is for more of them the next time. */
  async #whole<K extends CutName>(name: K, request: Calls[K]["request"], cut: Cut | undefined, options: CallOptions): Promise<Calls[K]["answer"]> {
    const begin = performance.now();
    const isAlone = this.#first.isIdle;
    const answer = await this.#first.call(name, request, options);
    if (cut && cut.workers > 1 && isAlone) this.#headcount.measured(1, cut.cost, performance.now() - begin);
    this.#answered(cut);
    return answer;
  }

  /** Whom a later call wants it starts itself. */
  #answered(cut: Cut | undefined): void {
    if (this.#mayGrow) return;
    this.#mayGrow = true;
    if (cut && cut.workers > 1) this.#grow(cut);
  }

  /** Whether a list is for several workers, and those are there, will be before long, or may be started on the way. */
  #isFor(cut: Cut): boolean {
    if (this.device !== "cpu" || Math.min(cut.workers, this.#headcount.wanted) < 2) return false;
    if (this.#mayGrow) this.#grow(cut);
    return this.#size > 1 || (!this.#mayGrow && this.#first.copy !== undefined);
  }

  /** What a call that the first worker has begun alone has told of itself. */
  #measured(cut: Cut, { tokens, milliseconds, left }: Batch): void {
    if (this.#mayGrow || left < LONG) return;
    this.#headcount.measured(1, tokens, milliseconds);
    this.#answered(cut);
  }

  get #size(): number {
    return this.#members.length + this.#coming.size;
  }

  #grow({ workers }: Cut): void {
    const { copy } = this.#first;
    while (copy && this.device === "cpu" && this.#size < Math.min(workers, this.#headcount.wanted)) void this.#add(this.#setup.another(copy));
  }

  /** One that cannot load the model is not tried again, unless it was stopped: there may be no memory for it. */
  async #add(client: WorkerClient): Promise<void> {
    this.#coming.add(client);
    try {
      await client.load();
      for (const { name, request } of this.#standing) await client.call(name, request, {});
      this.#members.push(client);
    } catch (error) {
      if (!client.ended.aborted) this.#headcount.failed();
      client.stop(error);
    }
    this.#coming.delete(client);
    this.#advance();
  }

  /** Lets those go that do not pay. */
  #shrink(): void {
    const idle = this.#members.slice(this.#headcount.wanted).filter((client) => client !== this.#first && client.isIdle);
    this.#members = this.#members.filter((client) => !idle.includes(client));
    for (const client of idle) client.stop(undefined);
  }

  async #inParts<K extends CutName>(plan: CutPlan<K>, options: CallOptions): Promise<Answered<K>[]> {
    // Who heard of the stages before may have ended it.
    this.requireOpen(options.signal);
    const call = new CutCall(plan, this.#mayGrow ? options : this.#watched(plan.cut, options), this.ended);
    const isAlone = this.#cutCalls.push(call as unknown as CutCall<CutName>) === 1 && this.#coming.size === 0;
    const [begin, workers] = [performance.now(), this.#members.length];
    this.#advance();
    try {
      const parts = await call.answered;
      if (isAlone && new Set(parts.map(({ client }) => client)).size === workers) this.#headcount.measured(workers, plan.cut.cost, performance.now() - begin);
      this.#shrink();
      this.#answered(plan.cut);
      return parts;
    } finally {
      call.end();
      this.#cutCalls.splice(this.#cutCalls.indexOf(call as unknown as CutCall<CutName>), 1);
      if (!this.#members.includes(this.#first)) this.#members.unshift(this.#first);
    }
  }

  /** Own state is settled before the caller hears of anything. */
  #watched(cut: Cut, options: CallOptions): CallOptions {
    const watch = secondBatch(cut.cost, (batch) => this.#measured(cut, batch));
    const onProgress = (progress: CallProgress) => {
      watch(progress);
      notify(options.onProgress, progress);
    };
    return { ...options, onProgress };
  }

  /** Gives work to whoever has none, of the call that came first. */
  #advance(): void {
    for (const client of this.#members.filter(({ isIdle }) => isIdle)) {
      const call = this.#cutCalls.find(({ isOpen }) => isOpen);
      if (call) void this.#work(client, call);
    }
  }

  async #work(client: WorkerClient, call: CutCall<CutName>): Promise<void> {
    const lives = await call.next(client, Math.max(this.#size, this.#headcount.wanted), this.#members.length);
    if (!lives) this.#lost(client);
    this.#advance();
  }

  /** The first one comes back for the next call, or where nobody else is left. */
  #lost(client: WorkerClient): void {
    this.#members = this.#members.filter((member) => member !== client);
    if (client !== this.#first) client.stop(undefined);
    if (this.#members.length === 0) this.#members = [this.#first];
  }
}

/** Whether some stage reads document by document. What tells documents apart reads all of them, and what is handed over can be read once: in stages, explanations need it again. */
function canBeCut(request: RerankRequest, { transfer = [] }: CallOptions): boolean {
  const { stages, diversify, explain } = request;
  return stages.some(isReader) && diversify === undefined && (transfer.length === 0 || !explain || isOfOneStage(request));
}

/** Whether each document's place is told by its score alone. */
function isOfOneStage({ stages, fuse }: RerankRequest): boolean {
  return stages.length === 1 && !fuse;
}

/** Documents of one text are read once, by the worker that has all of them. Those that bring embeddings are as a rule not read at all. */
function unitsOf(request: RerankRequest, model: ModelInfo): Unit[] {
  const most = mostTokens(request, model);
  const brought = (request.vectors ?? []).flatMap(({ places }) => [...places]).sort((a, b) => a - b);
  const isBrought = new Set(brought);
  const units = new Map<string, Unit>();
  request.texts.forEach((text, place) => {
    if (isBrought.has(place)) return;
    const unit = units.get(text);
    if (unit) unit.places.push(place);
    else units.set(text, { places: [place], cost: tokensOf(text, most) });
  });
  return [...(brought.length > 0 ? [{ places: brought, cost: 0 }] : []), ...units.values()];
}

function mostTokens({ windows }: Pick<RerankRequest, "windows">, { documentLength }: ModelInfo): number {
  return documentLength * (windows?.maxWindows ?? 1);
}

/** What one worker is asked for. */
function partOf(request: RerankRequest, places: readonly number[]): RerankRequest {
  const at = new Map(places.map((place, index) => [place, index]));
  const vectors = groupsAt(request.vectors ?? [], at);
  return { ...request, texts: places.map((place) => request.texts[place]!), vectors: vectors.length > 0 ? vectors : undefined, given: undefined };
}
