/** Candidates in a call of `rerank`, by a tiny checkpoint whose ranking the reference library computed. */

import type { QueryResult } from "pg";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Reranker } from "tabrank";
import { fromPgvector } from "tabrank/candidates/pgvector";
import { fromQdrant } from "tabrank/candidates/qdrant";
import { afterAll, beforeAll, expect, test } from "vitest";

interface Expected {
  queries: { text: string }[];
  documents: { text: string }[];
  scores: number[][];
}

const FOLDER = fileURLToPath(new URL("../fixtures/pylate/", import.meta.url));
const { queries, documents, scores } = JSON.parse(readFileSync(join(FOLDER, "expected.json"), "utf8")) as Expected;
const QUERY = 3;
const PLACES = [2, 3, 4, 5, 6, 7, 8];
const query = queries[QUERY]!.text;
const order = [...PLACES].sort((a, b) => scores[QUERY]![b]! - scores[QUERY]![a]!);
const points = PLACES.map((id, place) => ({ id, version: 1, score: 1 - place / 10, payload: { text: documents[id]!.text } }));

let reranker: Reranker;
beforeAll(async () => {
  const entries = readdirSync(join(FOLDER, "checkpoint"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => join(parentPath, name));
  reranker = await Reranker.load(Object.fromEntries(paths.map((path) => [relative(join(FOLDER, "checkpoint"), path), readFileSync(path)])), { workers: 1 });
});
afterAll(() => reranker.dispose());

test("the answer's own objects come back in the reference's order, and go into an answer of the same form", async () => {
  const answer = { points };
  const found = fromQdrant(answer);
  const { results } = await reranker.rerank(query, found.hits, { ...found.options, topK: 3 });
  expect(results.map(({ id }) => id)).toEqual(order.slice(0, 3).map(String));
  results.forEach(({ document, index }) => expect(document).toBe(points[index]));
  expect(found.response(results)).toEqual({ points: results.map(({ document }) => document) });
});

test("embeddings that a backend sends score as the texts that they are of", async () => {
  const { values, lengths, dimension } = await reranker.encodeDocuments(PLACES.map((id) => documents[id]!.text));
  let row = 0;
  const answer = { points: points.map(({ id }, place) => ({ id, vector: { colbert: Array.from({ length: lengths[place]! }, () => Array.from(values.slice(row * dimension, ++row * dimension))) } })) };
  const found = fromQdrant(answer, { embeddingId: reranker.model.embeddingId });
  const { results } = await reranker.rerank(query, found.hits, found.options);
  expect(results.map(({ document }) => document.id)).toEqual(order);
  for (const { document, score } of results) expect(score).toBeCloseTo(scores[QUERY]![document.id]!, 4);
  const others = fromQdrant(answer, { embeddingId: "v1-00112233445566778899aabbccddeeff" });
  await expect(reranker.rerank(query, others.hits, others.options)).rejects.toMatchObject({ code: "MODEL_MISMATCH" });
});

test("the given score ranks as a stage, and distances are the better the less they are", async () => {
  const rows = PLACES.map((id, place) => ({ id, text: documents[id]!.text, distance: place / 10 })).reverse();
  const answer: Pick<QueryResult<(typeof rows)[0]>, "rows"> = { rows };
  const found = fromPgvector(answer);
  const { results } = await reranker.rerank(query, found.hits, { ...found.options, stages: [{ use: "given", score: found.score, keep: 4 }, { use: "late" }] });
  expect(results.map(({ document }) => document.id)).toEqual(order.filter((id) => PLACES.indexOf(id) < 4));
});
