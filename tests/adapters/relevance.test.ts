import { relevanceOf } from "tabrank/adapters/relevance";
import { describe, expect, test } from "vitest";
import { expectedOf, expectNear, loadTiny, tinyModel } from "./lib/tiny.js";

const tiny = tinyModel();
const QUERY = "When did the oil crisis begin?";

interface Pairs {
  queries: string[];
  documents: string[];
  pairs: { logit: number; score: number }[][];
}

test("of late interaction it is (normalized score + 1) / 2, as the reference's scores have it", async () => {
  const { results } = await tiny.reranker.rerank(tiny.query, tiny.documents);
  expectNear(
    results.map((result) => relevanceOf(result, tiny.reranker.model)),
    tiny.order.map((index) => tiny.relevance[index]!),
  );
});

describe.each([
  ["bert", "Identity", (logit: number) => 1 / (1 + Math.exp(-logit))],
  ["camembert", "Sigmoid", (logit: number) => 1 / (1 + Math.exp(-logit))],
  ["distilbert", "Tanh", (logit: number) => 1 / (1 + Math.exp(-2 * logit))],
])("of the cross-encoder %s with %s", (name, activation, expected) => {
  test("it is the sigmoid of the logit, once", async () => {
    const { queries, documents, pairs } = expectedOf<Pairs>(`cross-encoders/${name}`);
    const at = queries.indexOf(QUERY);
    const crossEncoder = await loadTiny(`cross-encoders/${name}`);
    try {
      expect(crossEncoder.model.activation).toBe(activation);
      const { results } = await crossEncoder.rerank(queries[at]!, documents);
      const logits = results.map(({ index }) => pairs[at]![index]!.logit);
      expectNear(results.map((result) => relevanceOf(result, crossEncoder.model)), logits.map(expected));
    } finally {
      crossEncoder.dispose();
    }
  });
});

test("of the other stages it lies in [0, 1] and keeps the order", async () => {
  const score = (document: string) => document.length - 40;
  for (const stages of [[{ use: "bm25" }], [{ use: "dense" }], [{ use: "given", score }]] as const) {
    const { results } = await tiny.reranker.rerank(tiny.query, tiny.documents, { stages });
    const found = results.map((result) => relevanceOf(result, tiny.reranker.model));
    expect(found).toEqual([...found].sort((a, b) => b - a));
    expect(found.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(new Set(found).size).toBeGreaterThan(1);
  }
});

test("embeddings that are no unit vectors have similarities of any size, and a relevance in [0, 1] all the same", () => {
  const model = { ...tiny.reranker.model, normalized: false };
  const found = [-30, 0, 30].map((normalizedScore) => relevanceOf({ score: normalizedScore, normalizedScore }, model));
  expect(found[0]).toBeGreaterThan(0);
  expect(found[1]).toBe(0.5);
  expect(found[2]).toBeLessThan(1);
});
