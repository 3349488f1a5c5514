// A way to find candidates: the page's first stage, whichever was chosen.
import type { IndexParts, Reranker } from "tabrank";
import type { Candidate } from "./state.ts";

export interface Found {
  candidates: Candidate[];
  /** What was asked of the server for this question, where something may be. */
  fetched?: IndexParts;
}

export interface FindOptions {
  /** Most candidates. */
  count: number;
  signal: AbortSignal;
  /** Told what is done now, in words for people. */
  onStep(step: string): void;
}

export interface Finder {
  /** Whether candidates for this question take the model. */
  needsModel(question: string): Promise<boolean>;
  /** Best first. `reranker` is there if the model is needed. */
  find(question: string, options: FindOptions, reranker?: Reranker): Promise<Found>;
}
