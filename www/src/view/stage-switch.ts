// After which stage is the order shown?
import { WORDS } from "../first-stage-words.ts";
import type { ShownStage } from "../stage-order.ts";
import { changed, firstStageOf, type Store } from "../state.ts";
import { byId } from "./dom.ts";

/** What each stage behind the first goes by. */
const WAYS = {
  bm25: "Words that question and paragraph share, rare ones first (BM25).",
  late: "One vector for each token; every question token counts its best match (MaxSim).",
};

export function mountStageSwitch(store: Store): void {
  const group = byId<HTMLFieldSetElement>("stages");
  const inputs = [...group.querySelectorAll("input")];
  for (const input of inputs) input.addEventListener("change", () => store.set({ after: input.value as ShownStage }));
  store.subscribe((state, previous) => {
    const { after, run } = state;
    const firstStage = firstStageOf(state);
    if (changed(state, previous, "after", "firstStage", "own")) {
      for (const input of inputs) input.checked = input.value === after;
      byId("bm25-stage").hidden = firstStage === "words";
      byId("reranked-way").textContent = after === "given" ? WORDS[firstStage].way : WAYS[after];
    }
    if (changed(state, previous, "run")) group.disabled = run.kind !== "done";
  });
}
