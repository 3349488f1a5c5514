/**
 * Ranks a list that comes page after page. Where a document's scores are its own, a page is ranked by itself and its scores are merged with those so far; a stage that
 * looks at the whole list, as BM25 does, ranks all of it again.
 */

import type { PageOptions, Paging, PagingOptions, QueryEmbeddings, RerankOutput, RerankResult } from "../ranking.js";
import { listOf } from "./input.js";
import { invalid } from "./invalid.js";
import { type CheckedRerank, checkPage, checkRerank } from "./options.js";
import type { Own } from "./own.js";
import { rank } from "./pipeline.js";
import { aloneOf, type CheckedStage } from "./stages.js";

/** Stages whose scores are a document's own, whatever it is ranked beside. */
const INDEPENDENT: readonly string[] = ["late", "dense", "crossEncoder"];

export function pagingOf<T>(own: Own, query: string | QueryEmbeddings, options: PagingOptions<T>): Paging<T> {
  const { mode, onPartial, budgetMs, signal, onProgress, embeddings, transfer, ...checked } = checkRerank<T>(options);
  const ofOne = Object.entries({ mode, onPartial, budgetMs, signal, onProgress, transfer }).find(([, value]) => value !== undefined);
  if (ofOne) throw invalid(`${ofOne[0]} is an option of a single ranking`);
  if (embeddings !== undefined && typeof embeddings !== "function") throw invalid("embeddings is a list, and pages have none in common", "Pass a function that gives a document's.");
  const settings = { ...checked, ...(embeddings && { embeddings }) };
  const stages = checked.stages ?? [aloneOf<T>(own.model)];
  const list = isMergeable(stages, settings) ? new Merging<T>(stages, settings) : new Whole<T>(settings);
  let turn: Promise<unknown> = Promise.resolve();
  return {
    add(documents, page = {}) {
      const added = turn.then(() => list.add(own, query, listOf(documents, own.limits), checkPage(page)));
      turn = added.catch(() => {});
      return added;
    },
  };
}

/**
 * Whether what a page leaves behind is left behind in the whole list too, and takes no part in anybody's rank: so with a cut by the first stage or by the last. What
 * explanations may take is held down by a cut within each page.
 */
function isMergeable<T>(stages: readonly CheckedStage<T>[], { fuse, diversify, explain }: CheckedRerank<T>): boolean {
  const isCutWithin = stages.slice(1, -1).some(({ keep }) => keep !== undefined);
  return stages.every(({ use }) => INDEPENDENT.includes(use)) && !isCutWithin && !fuse && diversify === undefined && (stages.length === 1 || !explain);
}

/** Ranked once more with each page. */
class Whole<T> {
  #documents: T[] = [];

  constructor(private readonly settings: CheckedRerank<T>) {}

  async add(own: Own, query: string | QueryEmbeddings, documents: readonly T[], page: PageOptions): Promise<RerankOutput<T>> {
    const all = [...this.#documents, ...documents];
    const output = await rank(own, query, all, { ...this.settings, ...page });
    this.#documents = all;
    return output as RerankOutput<T>;
  }
}

class Merging<T> {
  readonly #stages: readonly CheckedStage<T>[];
  /** What each page is ranked by: of several stages the last one cuts nothing, since others' ranks would change by it. */
  readonly #each: CheckedRerank<T>;
  #results: RerankResult<T>[] = [];
  #count = 0;

  constructor(
    stages: readonly CheckedStage<T>[],
    private readonly settings: CheckedRerank<T>,
  ) {
    const { topK: _topK, minScore: _minScore, ...uncut } = settings;
    const last = stages.length - 1;
    this.#stages = stages;
    this.#each = last === 0 ? settings : { ...uncut, stages: stages.map(({ keep, ...stage }, place) => ({ ...stage, ...(keep !== undefined && place < last && { keep }) }) as CheckedStage<T>) };
  }

  async add(own: Own, query: string | QueryEmbeddings, documents: readonly T[], page: PageOptions): Promise<RerankOutput<T>> {
    const { results, ...output } = (await rank(own, query, documents, { ...this.#each, ...page })) as RerankOutput<T>;
    const base = this.#count;
    const moved = results.map(({ index, sameAs, ...result }) => ({ ...result, index: base + index, ...(sameAs !== undefined && { sameAs: base + sameAs }) }));
    // In the order of the list, as ties have it.
    this.#results = ranked([...this.#results, ...moved].sort((a, b) => a.index - b.index), this.#stages);
    this.#count += documents.length;
    return { ...output, results: this.#cut() };
  }

  #cut(): RerankResult<T>[] {
    const { topK = Infinity, minScore = -Infinity } = this.settings;
    const { keep = Infinity } = this.#stages.at(-1)!;
    return this.#results.slice(0, keep).filter(({ score }) => score >= minScore).slice(0, topK);
  }
}

/** As each stage orders them, one after the other. Only the first cuts here. */
function ranked<T>(results: readonly RerankResult<T>[], stages: readonly CheckedStage<T>[]): RerankResult<T>[] {
  let left = [...results];
  for (const [place, { keep }] of stages.entries()) {
    left.sort((a, b) => b.stages[place]!.score - a.stages[place]!.score);
    if (place < stages.length - 1) left = left.slice(0, keep);
    left = left.map((result, at) => ({ ...result, rank: at + 1, stages: result.stages.map((stage, which) => (which === place ? { ...stage, rank: at + 1 } : stage)) }));
  }
  return left;
}
