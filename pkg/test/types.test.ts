/** What the compiler must say of the public API: `npm run typecheck` is the test. */

import { expectTypeOf, test } from "vitest";
import type * as tabrank from "../src/index.js";
import { type ErrorCode, type RerankOutput, Reranker, RerankerError, type TokenEmbeddings } from "../src/index.js";
import type * as protocol from "../src/protocol.js";
import type * as glue from "../wasm/tabrank.js";

test("documents keep their type", () => {
  expectTypeOf((reranker: Reranker) => reranker.rerank("q", ["a"])).returns.resolves.toEqualTypeOf<RerankOutput<string>>();
  expectTypeOf((reranker: Reranker) => reranker.rerank("q", ["a"], { budgetMs: 5 })).returns.resolves.toEqualTypeOf<RerankOutput<string, number | null>>();
  const use = async (reranker: Reranker) => {
    const { results } = await reranker.rerank("q", [{ id: 1, body: "b" }], { text: (document) => document.body });
    expectTypeOf(results[0]!.document).toEqualTypeOf<{ id: number; body: string }>();
    // @ts-expect-error: documents have no such field
    await reranker.rerank("q", [{ id: 1 }], { text: (document) => document.body });
    // @ts-expect-error: topK is a number
    await reranker.rerank("q", ["a"], { topK: "3" });
    // @ts-expect-error: the device is read only
    reranker.device = "cpu";
    // @ts-expect-error: there is no such device
    await Reranker.load("/model/", { device: "gpu" });
    // @ts-expect-error: there is no such type of weights
    await Reranker.load("/model/", { dtype: "int8" });
    // @ts-expect-error: a Reranker is loaded, not made
    new Reranker();
    using disposed = reranker;
    return disposed;
  };
  expectTypeOf(use).toBeFunction();
});

test("errors have closed codes", () => {
  expectTypeOf<RerankerError["code"]>().toEqualTypeOf<ErrorCode>();
  expectTypeOf<"BUSY">().toExtend<ErrorCode>();
  expectTypeOf<TokenEmbeddings["values"]>().toExtend<Float32Array>();
});

test("the public types of what crosses are those that the engine's structs make", () => {
  expectTypeOf<tabrank.Explanation>().toEqualTypeOf<glue.Explanation>();
  expectTypeOf<tabrank.TokenMatch>().toEqualTypeOf<glue.TokenMatch>();
  expectTypeOf<tabrank.TokenSpan>().toEqualTypeOf<glue.TokenSpan>();
  expectTypeOf<tabrank.ModelInfo>().toEqualTypeOf<glue.ModelInfo>();
  expectTypeOf<tabrank.OperationDifference>().toEqualTypeOf<glue.OperationDifference>();
  expectTypeOf<tabrank.IndexInfo>().toEqualTypeOf<glue.IndexInfo>();
  expectTypeOf<tabrank.Warning>().toEqualTypeOf<glue.EngineWarning>();
  expectTypeOf<tabrank.EncoderTimings>().toEqualTypeOf<glue.EncoderParts>();
  expectTypeOf<tabrank.DeviceChoice>().toEqualTypeOf<glue.DeviceChoice>();
  expectTypeOf<tabrank.Device>().toEqualTypeOf<glue.Device>();
  expectTypeOf<tabrank.Dtype>().toEqualTypeOf<glue.Dtype>();
  expectTypeOf<tabrank.Pooling>().toEqualTypeOf<glue.Pooling>();
  expectTypeOf<tabrank.Simd>().toEqualTypeOf<glue.Simd>();
  expectTypeOf<tabrank.SpecialTokens>().toEqualTypeOf<glue.SpecialTokens>();
});

test("what the page sends on is what the engine takes", () => {
  expectTypeOf<tabrank.Overrides>().toEqualTypeOf<glue.Overrides>();
  expectTypeOf<Pick<protocol.LoadRequest, "device" | "specialTokens" | "overrides">>().toEqualTypeOf<Pick<glue.LoadSettings, "device" | "specialTokens" | "overrides">>();
  expectTypeOf<protocol.ConvertOptions>().toExtend<glue.ConvertSettings>();
  expectTypeOf<protocol.EncodeRequest["kind"]>().toEqualTypeOf<glue.Kind>();
  expectTypeOf<Pick<protocol.RerankRequest, "topK" | "explain" | "profile">>().toEqualTypeOf<Required<Pick<glue.RerankSettings, "topK" | "explain" | "profile">>>();
  expectTypeOf<protocol.StageRequest>().toExtend<glue.StageSettings>();
  expectTypeOf<tabrank.Fusion>().toEqualTypeOf<glue.Fusion>();
  expectTypeOf<Omit<tabrank.SearchOptions, "onProgress" | "signal">>().toEqualTypeOf<glue.IndexSettings>();
  expectTypeOf<protocol.Windows>().toEqualTypeOf<glue.WindowSettings>();
});
