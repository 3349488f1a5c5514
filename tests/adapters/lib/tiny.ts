/** The engine in Node with a tiny checkpoint, and texts whose scores the reference libraries computed. */

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Reranker } from "tabrank";
import { afterAll, beforeAll, expect } from "vitest";

const FIXTURES = fileURLToPath(new URL("../../fixtures/", import.meta.url));

/** A sentence, and documents of every length and script. */
const QUERY = 3;
const DOCUMENTS = [2, 3, 4, 5, 6, 7, 8, 11, 13, 14];

export interface Tiny {
  readonly reranker: Reranker;
  query: string;
  documents: string[];
  /** What the reference gives each document, in the documents' order. */
  relevance: number[];
  /** The documents' places, best first, as the reference has them. */
  order: number[];
}

interface Expected {
  settings: { query_length: number };
  queries: { text: string }[];
  documents: { text: string }[];
  scores: number[][];
}

/** PyLate's checkpoint with query expansion: a query has as many embeddings as its length, by which MaxSim sums are divided. */
export function tinyModel(): Tiny {
  const { settings, queries, documents, scores } = expectedOf<Expected>("pylate");
  const relevance = DOCUMENTS.map((index) => (scores[QUERY]![index]! / settings.query_length + 1) / 2);
  let reranker: Reranker | undefined;
  beforeAll(async () => {
    reranker = await loadTiny("pylate");
  });
  afterAll(() => reranker?.dispose());
  return {
    get reranker() {
      return reranker!;
    },
    query: queries[QUERY]!.text,
    documents: DOCUMENTS.map((index) => documents[index]!.text),
    relevance,
    order: orderOf(relevance),
  };
}

export function loadTiny(name: string): Promise<Reranker> {
  return Reranker.load(filesIn(join(FIXTURES, name, "checkpoint")), { workers: 1 });
}

export function expectedOf<E>(name: string): E {
  return JSON.parse(readFileSync(join(FIXTURES, name, "expected.json"), "utf8")) as E;
}

/** Places by falling relevance; equal ones as they come. */
export function orderOf(relevance: readonly number[]): number[] {
  return relevance.map((_, index) => index).sort((a, b) => relevance[b]! - relevance[a]! || a - b);
}

/** Numbers of an f32 engine beside the reference's. */
export function expectNear(found: readonly (number | undefined)[], expected: readonly number[]): void {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, index) => expect(value).toBeCloseTo(expected[index]!, 4));
}

/** Ranks as the model does, but what the queries ask for takes until it is ended. */
export function slowFor(reranker: Reranker, ...queries: string[]): { ranker: Pick<Reranker, "model" | "rerank">; calls: { query: string; signal: AbortSignal }[] } {
  const calls: { query: string; signal: AbortSignal }[] = [];
  const rerank = (query: string, documents: string[], options: { signal: AbortSignal }) => {
    const { signal } = options;
    calls.push({ query, signal });
    if (!queries.includes(query)) return reranker.rerank(query, documents, options);
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  return { ranker: { model: reranker.model, rerank: rerank as unknown as Reranker["rerank"] }, calls };
}

/** What an aborted call rejects with; the message holds no text of the call. */
export const REASON = new DOMException("the test ended it", "AbortError");

function filesIn(folder: string) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(paths.map((path) => [relative(folder, path), readFileSync(path)]));
}
