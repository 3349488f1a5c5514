import { afterEach, expect, test, vi } from "vitest";
import { speedOf } from "../../src/worker/speed.js";
import { FakeEngine, INFO } from "../support/engine.js";

afterEach(() => vi.useRealTimers());

test("a model's speed is that of texts as long as it reads, all different, once its code is warm", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const engine = new FakeEngine();
  engine.info = { ...INFO, documentLength: 50 };
  const read: string[] = [];
  engine.beforeText = (text) => {
    read.push(text);
    vi.advanceTimersByTime(read.length > 4 ? 10 : 500);
  };
  expect(await speedOf(engine, { batch: () => true })).toEqual({ tokens: 4 * 50, ms: 40 });
  expect(new Set(read).size).toBe(4);
  expect(read).toHaveLength(8);
  for (const text of read) expect(text.split(" ")).toHaveLength(48);
});

test("where documents are pages, queries are read", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const engine = new FakeEngine();
  engine.info = { ...INFO, queryLength: 20, pagesOnly: true };
  engine.rerank = () => Promise.reject(new Error("a document's text is refused"));
  const read: string[] = [];
  engine.encode = (kind: string, texts: string[]) => {
    read.push(...texts.map((text) => `${kind}: ${text}`));
    vi.advanceTimersByTime(read.length > 4 ? 40 : 500);
    return Promise.resolve({} as Awaited<ReturnType<FakeEngine["encode"]>>);
  };
  expect(await speedOf(engine, { batch: () => true })).toEqual({ tokens: 4 * 20, ms: 40 });
  expect(read.every((text) => text.startsWith("query: ") && text.split(" ").length === 19)).toBe(true);
});
