/** What is known of a ranking while its last stage scores: the list as it would be were that the end. */

import type { PartialScores, RerankAnswer } from "../protocol.js";
import type { PartialResult, PartialResults, Stage } from "../ranking.js";
import type { Candidate } from "./candidates.js";
import { normalizedScore } from "./output.js";
import type { Step } from "./steps.js";

export class ScoreBoard<T> {
  readonly #step: Step<T>;
  readonly #candidates: readonly Candidate[];
  /** Scores as results tell them; of the stage `given` those may be finer than what the worker says. */
  readonly #told: Float64Array | undefined;
  readonly #scores = new Map<number, number>();
  /** Places of those that the last stage ranks, in the order that they had. */
  #left: Uint32Array;
  #bound: number | undefined;

  /** `candidates`: what the step gets. */
  constructor(step: Step<T>, candidates: readonly Candidate[], told: Float64Array | undefined) {
    this.#step = step;
    this.#candidates = candidates;
    this.#told = told;
    this.#left = Uint32Array.from(candidates.keys());
  }

  /** Documents that the last stage ranks. */
  get total(): number {
    return this.#left.length;
  }

  hear({ indices, scores, bound, left }: PartialScores): void {
    if (left) this.#left = left;
    if (indices.length > 0) this.#bound = bound;
    indices.forEach((place, row) => this.#scores.set(place, this.#toldAt(place) ?? scores[row]!));
  }

  results(documents: readonly T[]): PartialResults<T> {
    const results = this.#rows().map((place, row) => this.#result(place, row + 1, documents));
    return { results, scored: this.#scores.size, total: this.#left.length };
  }

  /** What the worker would answer now. */
  answer(): RerankAnswer {
    const { stages } = this.#step;
    const rows = this.#rows();
    const scored = rows.filter((place) => this.#scores.has(place)).length;
    const cells = <A extends Float32Array | Uint32Array>(array: A, filling: number, last: (place: number, row: number) => number): A => {
      array.fill(filling);
      rows.slice(0, scored).forEach((place, row) => (array[(row + 1) * stages.length - 1] = last(place, row)));
      return array;
    };
    const size = rows.length * stages.length;
    return {
      indices: Uint32Array.from(rows),
      scored,
      unscored: this.#left.length - this.#scores.size,
      scores: cells(new Float32Array(size), Number.NaN, (place) => this.#scores.get(place)!),
      ranks: cells(new Uint32Array(size), 0, (_, row) => row + 1),
      sameAs: Uint32Array.from(rows),
      ...(this.#bound !== undefined && { bound: this.#bound }),
      queryTruncated: false,
      truncated: new Uint8Array(rows.length),
      warnings: [],
      timings: { tokenize: 0, encode: 0, score: 0, explain: 0, total: 0, stages: stages.map(() => 0) },
      cost: { tokens: 0, pairs: 0 },
    };
  }

  get #last(): Stage<T> {
    return this.#step.stages.at(-1)!;
  }

  #toldAt(place: number): number | undefined {
    return this.#last.use === "given" ? this.#told?.[this.#candidates[place]!.index] : undefined;
  }

  /** Those that are scored, best first, then the others. */
  #rows(): number[] {
    const { topK, minScore = -Infinity } = this.#step.ask;
    const all = [...this.#left];
    // As fine as the scores are: those of a model are of 32 bits.
    const least = this.#last.use === "given" ? minScore : Math.fround(minScore);
    const isGood = (place: number) => this.#scores.get(place)! >= least;
    const scored = all.filter((place) => this.#scores.has(place) && isGood(place)).sort((a, b) => this.#scores.get(b)! - this.#scores.get(a)!);
    const others = all.filter((place) => !this.#scores.has(place));
    return [...scored, ...others].slice(0, Math.min(topK, this.#last.keep ?? topK));
  }

  #result(place: number, rank: number, documents: readonly T[]): PartialResult<T> {
    const { index, id } = this.#candidates[place]!;
    const score = this.#scores.get(place) ?? null;
    return { index, rank, score, normalizedScore: normalizedScore(score, this.#step, this.#bound), document: documents[index]!, ...(id !== undefined && { id }) };
  }
}
