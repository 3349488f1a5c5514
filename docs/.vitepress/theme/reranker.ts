// The model behind the search. Nothing of it is loaded, the package included, until the reader wants it.
import type { Reranker } from "tabrank";
import { withBase } from "vitepress";
import { ref } from "vue";

/** A section of a page, as the search's index has it. */
export interface Section {
  id: string;
  title: string;
  titles: string[];
  text: string;
}

const MODEL = "/models/all-MiniLM-L6-v2-q8/";
const OFFER = "Loads a model of 24 MB once. What you type stays in this tab.";

/** Whether the reader wants results reranked. */
export const wanted = ref(false);
/** What the reader is told of the model. */
export const state = ref(OFFER);

let loading: Promise<Reranker | undefined> | undefined;

export function wantModel(want: boolean) {
  wanted.value = want;
  if (want) loading ??= load();
}

/** The sections, best first; undefined where there is no model, or the query is not the last one any more. */
export async function rerank(query: string, sections: Section[]): Promise<Section[] | undefined> {
  const reranker = await loading;
  if (reranker === undefined) return undefined;
  try {
    const { results } = await reranker.rerank(query, sections, { text: ({ titles, title, text }) => `${[...titles, title].join(", ")}: ${text}`, mode: "latest" });
    return results.map(({ document }) => document);
  } catch (error) {
    if (error instanceof Error && error.name !== "AbortError") state.value = `The order stays as it is: ${error.message}`;
    return undefined;
  }
}

async function load() {
  try {
    const { Reranker } = await import("tabrank");
    const onProgress = ({ progress }: { progress: number }) => (state.value = `Loading the model: ${Math.round(progress * 100)} %`);
    const reranker = await Reranker.load(withBase(MODEL), { onProgress, vectorCache: true });
    state.value = "Results are read by a model in this tab.";
    return reranker;
  } catch (error) {
    loading = undefined;
    wanted.value = false;
    state.value = `The model could not be loaded: ${error instanceof Error ? error.message : String(error)}`;
    return undefined;
  }
}
