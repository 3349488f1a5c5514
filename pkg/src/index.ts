/** Late-interaction reranking in the browser tab. Importing this does nothing yet: no worker, no request, no touch of `window`. */

export { checkOperations } from "./page/check-operations.js";
export { EmbeddingList } from "./page/embedding-list.js";
export { Reranker } from "./page/reranker.js";
export { ResidualCodec } from "./page/residual-codec.js";
export { Scorer } from "./page/scorer.js";
export { type ErrorCode, type ErrorDetails, RerankerError } from "./error.js";
export type {
  Bm25Stage,
  CrossEncoderStage,
  DenseStage,
  EncoderTimings,
  Fusion,
  GivenStage,
  LateStage,
  QueryEmbeddings,
  RerankOptions,
  RerankOutput,
  RerankResult,
  Stage,
  StageCut,
  StageModel,
  StageResult,
  Timings,
} from "./ranking.js";
export type {
  CallProgress,
  CheckOptions,
  CheckpointFiles,
  Device,
  DeviceChoice,
  Dtype,
  Embeddings,
  EncodeOptions,
  ExplainOptions,
  Explanation,
  Limits,
  LoadOptions,
  LongDocumentOptions,
  MatchOptions,
  ModelInfo,
  OperationDifference,
  Overrides,
  Patch,
  PlacedExplanation,
  PlacedMatch,
  Pooling,
  Progress,
  ScoredExplanation,
  ScorerOptions,
  Simd,
  SimilarityMap,
  SimilarityMeasure,
  SimilarityOptions,
  SpecialTokens,
  StoredModel,
  StoredModelOptions,
  TokenEmbeddings,
  TokenMatch,
  TokenPooling,
  TokenPoolingOptions,
  TokenSpan,
  VectorCache,
  VectorCacheOptions,
  VectorCacheSize,
  Warning,
} from "./types.js";
export type { CodecName, DocumentEmbeddings, GivenEmbeddings, ListedEmbeddings, PatchOrder, Rows, ShapedEmbeddings, TrainedCodec } from "./vectors.js";
