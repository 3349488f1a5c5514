// After which stage is the order shown?
import { WORDS } from "../first-stage-words.ts";
import { LAST, type StagePlace } from "../stage-order.ts";
import { changed, type Store } from "../state.ts";
import { byId } from "./dom.ts";

/** What each stage behind the first goes by. */
const WAYS = [
  "Words that question and paragraph share, rare ones first (BM25).",
  "One vector for each token; every question token counts its best match (MaxSim).",
] as const;

export function mountStageSwitch(store: Store): void {
  const group = byId<HTMLFieldSetElement>("stages");
  for (const input of group.querySelectorAll("input")) {
    input.checked = Number(input.value) === LAST;
    input.addEventListener("change", () => store.set({ after: Number(input.value) as StagePlace }));
  }
  store.subscribe((state, previous) => {
    if (changed(state, previous, "after", "firstStage")) byId("reranked-way").textContent = state.after === 0 ? WORDS[state.firstStage].way : WAYS[state.after - 1]!;
    if (changed(state, previous, "run")) group.disabled = state.run.kind !== "done";
  });
}
