/** Late-interaction reranking in the browser tab. Importing this does nothing yet: no worker, no request, no touch of `window`. */

export { Reranker } from "./page/reranker.js";
export { type ErrorCode, type ErrorDetails, RerankerError } from "./error.js";
export type {
  CallProgress,
  CheckpointFiles,
  Device,
  DeviceChoice,
  Dtype,
  EncodeOptions,
  EncoderTimings,
  ExplainOptions,
  Explanation,
  Limits,
  LoadOptions,
  LongDocumentOptions,
  ModelInfo,
  Overrides,
  Pooling,
  Progress,
  RerankOptions,
  RerankOutput,
  RerankResult,
  Simd,
  SpecialTokens,
  StoredModel,
  StoredModelOptions,
  Timings,
  TokenEmbeddings,
  TokenMatch,
  TokenSpan,
  Warning,
} from "./types.js";
