/** Frameworks put proxies in front of what they are given. A Reranker works behind each, and takes arguments that are behind one. */

import { isReactive, reactive, readonly, ref, shallowRef } from "@vue/reactivity";
import { observable } from "mobx";
import { proxy, snapshot } from "valtio/vanilla";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from "vitest";
import { Reranker, RerankerError, type RerankResult } from "../../src/index.js";
import { FakeEngine, fakeModule } from "../support/engine.js";
import { safetensors } from "../support/server.js";
import { stubSite } from "../support/site.js";
import { stubWorkers } from "../support/workers.js";

beforeEach(() => {
  stubSite();
  stubWorkers(fakeModule(async () => new FakeEngine()));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const load = () => Reranker.load("/model", { wasmUrl: "/model/tabrank.wasm" });

/** A proxy that only passes on, as the simplest state library has it, and one that wraps all it finds. */
const plain = <T extends object>(target: T): T => new Proxy(target, {});

function deep<T extends object>(target: T): T {
  return new Proxy(target, {
    get: (_, key, receiver) => {
      const found: unknown = Reflect.get(target, key, receiver);
      return typeof found === "object" && found !== null ? deep(found) : found;
    },
  });
}

const WRAPPED: [string, (reranker: Reranker) => Reranker][] = [
  ["Vue's ref", (reranker) => ref(reranker).value],
  ["Vue's shallowRef", (reranker) => shallowRef(reranker).value],
  ["Vue's reactive", (reranker) => reactive({ reranker }).reranker],
  ["Vue's readonly", (reranker) => readonly({ reranker }).reranker as Reranker],
  ["MobX", (reranker) => observable({ reranker }).reranker],
  ["Valtio", (reranker) => proxy({ reranker }).reranker],
  ["Valtio's snapshot", (reranker) => snapshot(proxy({ reranker })).reranker as Reranker],
  ["a plain proxy", plain],
  ["a proxy that wraps all it finds", deep],
  ["an object that inherits from it", (reranker) => Object.create(reranker) as Reranker],
];

describe.each(WRAPPED)("behind %s", (_, wrap) => {
  test("everything works", async () => {
    const reranker = wrap(await load());
    const { results, device } = await reranker.rerank("q", ["a", "bb"], { topK: 1, explain: true });
    expect(results).toMatchObject([{ index: 1, score: 2 }]);
    expect((await reranker.encodeQuery("q")).lengths).toHaveLength(1);
    expect((await reranker.encodeDocuments(["a", "bb"])).lengths).toHaveLength(2);
    expect((await reranker.explain("q", "d")).score).toBe(1);
    expect([reranker.device, device, reranker.simd, reranker.model.dimension, reranker.warnings.length]).toEqual(["cpu", "cpu", "simd128", 2, 2]);
    reranker[Symbol.dispose]();
    await expect(reranker.rerank("q", ["a"])).rejects.toMatchObject({ code: "DISPOSED" });
  });
});

describe("behind Vue's proxies", () => {
  test("documents come back as they were given, and answers can be kept", async () => {
    const state = reactive({ reranker: await load(), hits: [{ body: "a" }, { body: "bb" }], results: [] as RerankResult<{ body: string }>[] });
    state.results = (await state.reranker.rerank("q", state.hits, { text: ({ body }) => body })).results;
    expect(state.results.map(({ document }) => document)).toEqual([state.hits[1], state.hits[0]]);
    expect(isReactive(state.results[0]!.document)).toBe(true);
    expect(state.results[0]!.document).toBe(state.hits[1]);
  });

  test("options, limits, signals and files are taken", async () => {
    const controller = reactive(new AbortController());
    const options = reactive({ wasmUrl: "/model/tabrank.wasm", limits: { queue: 1 }, headers: { a: "b" }, signal: controller.signal, onProgress: vi.fn() });
    const files = reactive({ "config.json": new Blob(["{}"]), "tokenizer.json": new TextEncoder().encode("[]"), "model.safetensors": safetensors(50) });
    const reranker = await Reranker.load(files, options);
    const call = reranker.rerank("q", ["a"], reactive({ signal: controller.signal }));
    await expect(reranker.rerank("q", ["a"])).rejects.toBeInstanceOf(RerankerError);
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    expect(options.onProgress).toHaveBeenCalled();
  });

  test("the type stays that of a Reranker", () => {
    const kept = ref<Reranker | null>(null);
    const use = (reranker: Reranker) => reranker.rerank("q", ["a"]);
    expectTypeOf(use).toBeCallableWith(kept.value!);
    expectTypeOf(async () => (kept.value = await load())).toBeFunction();
  });
});
