// A tiny checkpoint with texts whose scores the reference libraries computed.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { need } from "./paths.mjs";

/** A sentence, and texts of every length and script. */
const QUERY = 3;
const DOCUMENTS = [2, 3, 4, 5, 6, 7, 8, 11, 13, 14];

/** The case's folder on the server and below the repository's root, a query, documents, and the documents' scores. */
export async function tinyCase(name) {
  const file = need(`tests/fixtures/${name}/expected.json`, "git checkout tests/fixtures");
  const { queries, documents, scores } = JSON.parse(await readFile(file, "utf8"));
  return {
    checkpoint: `fixtures/${name}/checkpoint/`,
    folder: `tests/fixtures/${name}/checkpoint`,
    query: queries[QUERY].text,
    documents: DOCUMENTS.map((index) => documents[index].text),
    scores: DOCUMENTS.map((index) => scores[QUERY][index]),
  };
}

/** Whether an outcome of `rerank` is the reference's ranking. */
export function assertRanked({ error, value }, { documents, scores }, tolerance = 1e-4) {
  assert.equal(error, undefined);
  assert.equal(value.results.length, documents.length);
  value.results.forEach(({ index, rank, score, document }, place) => {
    assert.equal(rank, place + 1);
    assert.equal(document, documents[index]);
    const relative = Math.abs(score - scores[index]) / Math.max(Math.abs(scores[index]), 1);
    assert.ok(relative < tolerance, `document ${index} has the score ${score}, expected ${scores[index]}`);
  });
  const found = value.results.map(({ score }) => score);
  assert.deepEqual(found, found.toSorted((a, b) => b - a));
}
