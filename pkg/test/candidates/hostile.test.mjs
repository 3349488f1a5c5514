import { describe, expect, test } from "vitest";
import { RerankerError } from "../../src/error.js";
import { BACKENDS } from "./backends.mjs";

const CANARY = "a text that no message may hold";

/** In place of each part of an answer in turn. */
const INSTEAD = [undefined, null, true, -1, NaN, "", CANARY, [], {}, [null], [[]], [[[]]], [CANARY], { text: 1 }, { text: [{}] }, () => CANARY, Symbol("symbol"), 10n, Object.create(null), new Proxy([], {})];

describe.each(BACKENDS)("an answer of $name", ({ answer, read, columns }) => {
  const places = placesIn(answer());

  test.each(places)("with another value at %s is read or refused by a field's name", async (...path) => {
    for (const value of INSTEAD) {
      const error = await failureOf(async () => use(await read(put(answer(), path, value))));
      if (error === undefined) continue;
      expect(error).toBeInstanceOf(RerankerError);
      const { code, message, hint } = error;
      expect(code).toBe("INVALID_INPUT");
      expect(message).toMatch(/^(response|options|hit)\b/);
      expect(`${message}${hint}`).not.toContain(CANARY);
      expect(`${message}${hint}`).not.toMatch(/Goethe|Bread|Gounod/);
    }
  });

  test("that is none is refused", async () => {
    for (const value of INSTEAD.filter((value) => !Array.isArray(value))) expect(await failureOf(() => read(value))).toBeInstanceOf(RerankerError);
  });

  test("with keys of every object's prototype changes no prototype", async () => {
    const polluted = JSON.parse(`{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}`);
    for (const path of places) {
      const given = put(answer(), path, polluted);
      await failureOf(async () => use(await read(given)));
    }
    expect(({}).polluted).toBeUndefined();
  });

  test("of a hundred thousand hits is read in no time that grows faster than they do", { timeout: 5_000 }, async () => {
    const { hits, response } = await read(answer());
    if (columns) return;
    const many = Array.from({ length: 100_000 }, (_, index) => ({ document: hits[index % 3] }));
    const found = await read(response(many));
    expect(found.hits.length).toBeGreaterThanOrEqual(50);
  });
});

/** Every accessor on every hit, as a call of `rerank` does. */
function use({ hits, options, score, response }) {
  for (const hit of hits) [options.text, options.id, options.embeddings, score].forEach((read) => read(hit));
  response(hits.map((document) => ({ document })));
}

async function failureOf(act) {
  try {
    await act();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Of one hit alone: the others are read in the same way. */
function placesIn(value, path = []) {
  if (typeof value !== "object" || value === null) return [path];
  const parts = Object.entries(value).filter(([name]) => !/^[1-9]/.test(name));
  const below = parts.flatMap(([name, part]) => placesIn(part, [...path, name]));
  return path.length === 0 ? below : [path, ...below];
}

function put(record, [name, ...rest], value) {
  if (name === undefined) return value;
  const copy = Array.isArray(record) ? [...record] : { ...record };
  copy[name] = put(record[name], rest, value);
  return copy;
}
