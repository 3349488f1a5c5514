import { describe, expect, test } from "vitest";
import { BACKENDS } from "./backends.mjs";

const TEXTS = ["Goethe wrote Faust in Weimar.", "Bread is baked in an oven.", "Faust is an opera by Gounod."];

describe.each(BACKENDS)("$name", ({ answer, read, ids, scores, embeddings }) => {
  test("has the texts, the ids and the scores of its hits, the greater the better", async () => {
    const { hits, options, score } = await read(answer());
    expect(hits.map(options.text)).toEqual(TEXTS);
    expect(hits.map(options.id)).toEqual(ids);
    expect(hits.map(score)).toEqual(scores);
  });

  test("has the embeddings that its hits bring", async () => {
    const { hits, options } = await read(answer());
    expect(hits.map(options.embeddings)).toEqual(embeddings ?? [undefined, undefined, undefined]);
  });

  test("puts hits back into an answer of the same form, and leaves the one that came as it was", async () => {
    const given = answer();
    const { hits, response } = await read(given);
    expect(response(hits.map((document) => ({ document })))).toEqual(answer());
    const [first, , third] = hits;
    const best = await read(response([{ document: third }, { document: first }]));
    expect(best.hits.map(best.options.text)).toEqual([TEXTS[2], TEXTS[0]]);
    expect(given).toEqual(answer());
    expect((await read(response([]))).hits).toEqual([]);
  });
});

describe.each(BACKENDS.filter(({ columns }) => !columns))("$name", ({ answer, read }) => {
  test("gives the answer's own objects", async () => {
    const given = answer();
    const { hits, response } = await read(given);
    expect(JSON.stringify(given)).toContain(JSON.stringify(hits[1]));
    const found = objectsIn(given);
    expect(hits.filter((hit) => !found.has(hit))).toEqual([]);
    const put = objectsIn(response(hits.map((document) => ({ document }))));
    expect(hits.filter((hit) => !put.has(hit))).toEqual([]);
  });
});

function objectsIn(value, found = new Set()) {
  if (typeof value !== "object" || value === null) return found;
  found.add(value);
  for (const part of Object.values(value)) objectsIn(part, found);
  return found;
}
