// The order of the first stage.
import { count, milliseconds } from "../format.ts";
import { changed, currentExample, type Candidate, type State, type Store } from "../state.ts";
import { byId, el, fill } from "./dom.ts";
import { fold, showRows } from "./folded-list.ts";
import { problemNote } from "./problem.ts";
import { figure, resultRow } from "./row.ts";

export function mountDenseList(store: Store): void {
  const list = byId("dense-rows");
  const status = byId("dense-status");
  store.subscribe((state, previous) => {
    if (changed(state, previous, "dense")) {
      const relevant = currentExample(state)?.relevant;
      showRows(list, state.dense.map((candidate) => denseRow(candidate, relevant)), store);
    }
    if (changed(state, previous, "expanded")) fold(list, store);
    if (changed(state, previous, "dense", "denseTime", "run", "paragraphs", "corpusProblem", "model")) fill(status, standing(state));
  });
}

/** A row in dense order; `notScored` where it keeps a place in the reranked list. */
export function denseRow({ paragraph, rank, cosine }: Candidate, relevant: string | undefined, notScored = false): HTMLElement {
  return resultRow({
    rank,
    paragraph,
    relevant: paragraph.id === relevant,
    figures: [notScored ? el("span", { class: "figure" }, "not scored yet") : figure("cosine", cosine.toFixed(3))],
    text: [paragraph.text],
    action: "read",
    details: () => el("p", { class: "full-text", dir: "auto" }, paragraph.text),
  });
}

function standing(state: State): HTMLElement | string {
  const { dense, denseTime, run, paragraphs, corpusProblem } = state;
  if (corpusProblem !== undefined) return problemNote("The text could not be loaded.", corpusProblem, () => location.reload());
  if (paragraphs === undefined) return "Loading the text …";
  if (dense.length > 0) {
    return `${dense.length} of ${count(paragraphs, "paragraph")}, in ${milliseconds(denseTime ?? 0)}`;
  }
  if (run.kind === "empty") return "There is no text to search.";
  if (run.kind === "searching") return "Encoding the question …";
  if (run.kind !== "waiting") return run.kind === "none" ? "Ask a question to see its candidates." : "";
  return state.model.kind === "loading"
    ? "The search itself needs the model for a question of your own; it is on its way."
    : "The search itself needs the model for a question of your own.";
}
