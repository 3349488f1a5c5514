import { describe, expect, test } from "vitest";
import { fromQdrant } from "../../src/candidates/qdrant.js";

const point = (id: number, more: object = {}) => ({ id, version: 1, score: 1 - id / 10, payload: { text: `text ${id}` }, ...more });
const rows = [
  [1, 0],
  [0, 1],
];

describe("fromQdrant", () => {
  test("reads a point's text, id and score, and gives back the points themselves in the answer's form", () => {
    const response = { points: [point(1), point(2)], usage: { cpu: 3 } };
    const { hits, options, score, response: answer } = fromQdrant(response);
    expect(hits.map((hit) => [options.text(hit), options.id(hit), score(hit)])).toEqual([
      ["text 1", 1, 0.9],
      ["text 2", 2, 0.8],
    ]);
    const [first, second] = response.points as [(typeof response.points)[0], (typeof response.points)[0]];
    const answered = answer([{ document: second }, { document: first }]);
    expect(answered).toEqual({ points: [second, first], usage: { cpu: 3 } });
    expect(answered.points[0]).toBe(second);
    expect(response.points[0]).toBe(first);
  });

  test.each([
    ["a bare list", [point(1)]],
    ["the REST interface's list", { result: [point(1)], status: "ok", time: 0.1 }],
    ["the REST interface's points", { result: { points: [point(1)] }, status: "ok", time: 0.1 }],
  ])("reads %s and gives it back", (_, response) => {
    const found = fromQdrant(response);
    expect(found.hits.map(found.options.text)).toEqual(["text 1"]);
    expect(found.response([{ document: found.hits[0]! }])).toEqual(response);
    expect(Array.isArray(found.response([]))).toBe(Array.isArray(response));
  });

  test("takes a multivector for embeddings, and one vector for none", () => {
    const { hits, options } = fromQdrant([point(1, { vector: rows }), point(2, { vector: { dense: [1, 2], sparse: { indices: [1], values: [1] }, colbert: rows } }), point(3, { vector: [1, 2] })]);
    expect(hits.map(options.embeddings)).toEqual([rows, rows, undefined]);
  });

  test("needs no text beside embeddings, and takes the vectors that are named and the model they are said to be of", () => {
    const two = { id: 1, vector: { pages: rows, tokens: [[5, 5]] } };
    expect(() => fromQdrant([two])).toThrow("response[0].vector has 2 vectors with a row for each token");
    const { hits, options } = fromQdrant([two], { vector: "tokens", embeddingId: "v1-1" });
    expect(options.embeddings(hits[0]!)).toEqual({ embeddings: [[5, 5]], embeddingId: "v1-1" });
    expect(() => fromQdrant([two], { vector: false })).toThrow("response[0].payload.text is missing");
    expect(() => fromQdrant([point(1, { vector: { tokens: [1, 2] } })], { vector: "tokens" })).toThrow("response[0].vector.tokens is an array; expected rows of numbers, one for each token");
  });

  test("turns the sign of distances", () => {
    const { hits, score } = fromQdrant([point(1, { score: 0 }), point(2, { score: 3.5 }), point(3, { score: undefined })], { distances: true });
    expect(hits.map(score)).toEqual([0, -3.5, undefined]);
  });
});
