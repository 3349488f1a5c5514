/** Late-interaction reranking in the browser tab. Importing this does nothing yet: no worker, no request, no touch of `window`. */

export { checkOperations } from "./page/check-operations.js";
export { EmbeddingList } from "./page/embedding-list.js";
export { type Explained, marks, passage, wordsAt } from "./page/marks.js";
export { Reranker } from "./page/reranker.js";
export { ResidualCodec } from "./page/residual-codec.js";
export { Scorer } from "./page/scorer.js";
export { Index } from "./page/search-index.js";
export { type ErrorCode, type ErrorDetails, RerankerError } from "./error.js";
export type { Mark, MarkOptions, Passage, TextRange } from "./marking.js";
export type { EncodePagesOptions, EstimatePagesOptions, GivenPage, PageEncodingOptions, PagePicture, PagePixels, PagesEstimate, PageSize, PagesProgress } from "./pages.js";
export type {
  Bm25Stage,
  BudgetOptions,
  CrossEncoderStage,
  DenseStage,
  EncoderTimings,
  Fusion,
  GivenStage,
  LateStage,
  PageOptions,
  Paging,
  PagingOptions,
  QueryEmbeddings,
  PartialResult,
  PartialResults,
  RerankOptions,
  RerankOutput,
  RerankResult,
  Stage,
  StageCut,
  StageModel,
  StageResult,
  Timings,
} from "./ranking.js";
export type { IndexFetch, IndexInfo, IndexOptions, IndexParts, IndexProgress, SearchOptions, SearchOutput, SearchProgress, SearchResult, SearchTimings } from "./search.js";
export type {
  CallProgress,
  CheckOptions,
  CheckpointFiles,
  ChosenDevice,
  Device,
  DeviceChange,
  DeviceChoice,
  DeviceSpeed,
  Dtype,
  Embeddings,
  EncodeOptions,
  Estimate,
  EstimateOptions,
  ExplainOptions,
  Explanation,
  GpuKernel,
  Limits,
  LoadOptions,
  LongDocumentOptions,
  MatchOptions,
  ModelInfo,
  OperationDifference,
  Overrides,
  PageSide,
  Patch,
  PlacedExplanation,
  PlacedMatch,
  Pooling,
  Preloaded,
  PreloadOptions,
  Probe,
  ProbedModel,
  ProbeOptions,
  Progress,
  Scorable,
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
export type { CodecName, DocumentEmbeddings, GivenEmbeddings, ListedEmbeddings, PatchOrder, Rows, ShapedEmbeddings, TrainedCodec, WriteListOptions } from "./vectors.js";
