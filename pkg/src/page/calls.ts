/** What is fetched with a page's first call, all in one file. */

export { clearCachedIndexes, openIndex } from "./index-calls.js";
export { writeEmbeddings } from "./list-writer.js";
export { runCheck } from "./operation-check.js";
export { preloadModel } from "./preload.js";
export { probe } from "./probe.js";
export { cachedModels, clearCachedModels, clearVectors, deleteCachedModel, isModelCached, loadReranker } from "./reranker-load.js";
export { openScorer } from "./scorer-calls.js";
