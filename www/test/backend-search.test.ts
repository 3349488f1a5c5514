import { afterEach, expect, test, vi } from "vitest";
import { askChroma, askPgvector, BackendSearch } from "../src/backend-search.ts";
import type { FindOptions } from "../src/finder.ts";
import type { Corpus } from "../src/first-stage.ts";
import { QuestionVector } from "../src/question-vector.ts";

const QUESTION = "Who sang?";
const corpus = Promise.resolve({ paragraphs: [], vectors: { values: new Float32Array(), shape: [0, 2] }, examples: [{ id: "1", text: QUESTION, vector: new Float32Array([1, 0]) }] } satisfies Corpus);
const options: FindOptions = { count: 2, signal: new AbortController().signal, onStep: () => {} };
const backend = new URL("http://site.example/demo/backend/");
const EXPECTED = [
  { paragraph: { id: "b", title: "Opera", text: "An aria." }, rank: 1, score: 0.75 },
  { paragraph: { id: "a", title: "Bread", text: "An oven." }, rank: 2, score: 0.5 },
];

afterEach(() => vi.unstubAllGlobals());

/** A backend that answers by what a request's path ends in; what it was asked. */
function answering(answers: Record<string, unknown>): { path: string; body: string }[] {
  const asked: { path: string; body: string }[] = [];
  vi.stubGlobal("fetch", async (url: URL, { body = "" }: { body?: string }) => {
    asked.push({ path: url.pathname, body });
    const ending = Object.keys(answers).find((known) => url.pathname.endsWith(known));
    return ending === undefined ? new Response("", { status: 404 }) : Response.json(answers[ending]);
  });
  return asked;
}

test("Chroma is asked for what is near the question's vector, and never told the question", async () => {
  const columns = { ids: [["b", "a"]], documents: [["An aria.", "An oven."]], metadatas: [[{ title: "Opera" }, { title: "Bread" }]], distances: [[0.25, 0.5]] };
  const asked = answering({ "/collections/articles": { id: "5" }, "/collections/5/query": columns });
  const search = new BackendSearch(askChroma, backend, new QuestionVector(corpus));
  expect(await search.needsModel(QUESTION)).toBe(false);
  expect(await search.find(QUESTION, options)).toEqual({ candidates: EXPECTED });
  expect(asked.map(({ path }) => path.replace(/^.*collections/, ""))).toEqual(["/articles", "/5/query"]);
  expect(JSON.parse(asked[1]!.body)).toMatchObject({ query_embeddings: [[1, 0]], n_results: 2 });
  expect(asked.some(({ path, body }) => `${path}${body}`.includes("sang"))).toBe(false);
});

test("PostgreSQL's rows become candidates", async () => {
  const rows = [
    { id: "b", title: "Opera", text: "An aria.", distance: 0.25 },
    { id: "a", title: "Bread", text: "An oven.", distance: 0.5 },
  ];
  const asked = answering({ "/demo/backend/search": rows });
  expect(await new BackendSearch(askPgvector, backend, new QuestionVector(corpus)).find(QUESTION, options)).toEqual({ candidates: EXPECTED });
  expect(JSON.parse(asked[0]!.body)).toEqual({ vector: [1, 0], count: 2 });
});

test("a page without a backend says how to start one", async () => {
  answering({});
  const failed = new BackendSearch(askChroma, backend, new QuestionVector(corpus)).find(QUESTION, options);
  await expect(failed).rejects.toMatchObject({ problem: { code: "HTTP_STATUS", hint: expect.stringContaining("make demo-backend") } });
});
