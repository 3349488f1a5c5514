// The order of the first stage.
import { WORDS } from "../first-stage-words.ts";
import { count, megabytes, milliseconds } from "../format.ts";
import { changed, currentExample, firstStageOf, type Candidate, type State, type Store } from "../state.ts";
import { byId, el, fill } from "./dom.ts";
import { fold, showRows } from "./folded-list.ts";
import { problemNote } from "./problem.ts";
import { figure, resultRow } from "./row.ts";

export function mountFirstList(store: Store): void {
  const list = byId("first-rows");
  const status = byId("first-status");
  store.subscribe((state, previous) => {
    if (changed(state, previous, "found")) {
      const relevant = currentExample(state)?.relevant;
      showRows(list, state.found.map((candidate) => candidateRow(candidate, relevant, WORDS[firstStageOf(state)].figure)), store);
    }
    if (changed(state, previous, "expanded")) fold(list, store);
    if (changed(state, previous, "found", "foundIn", "run", "paragraphs", "own", "corpusProblem", "model")) fill(status, standing(state));
  });
}

/** A row in the first stage's order, with its score under a name; without one it keeps a place in the reranked list. */
export function candidateRow({ paragraph, rank, score }: Candidate, relevant: string | undefined, name?: string): HTMLElement {
  return resultRow({
    rank,
    paragraph,
    relevant: paragraph.id === relevant,
    figures: [name === undefined ? el("span", { class: "figure" }, "not scored yet") : figure(name, score.toFixed(3))],
    text: [paragraph.text],
    action: "read",
    details: () => el("p", { class: "full-text", dir: "auto" }, paragraph.text),
  });
}

function standing(state: State): HTMLElement | string {
  const { found, foundIn, fetched, own, run, corpusProblem } = state;
  const paragraphs = own?.paragraphs.length ?? state.paragraphs;
  if (own === undefined && corpusProblem !== undefined) return problemNote("The text could not be loaded.", corpusProblem, () => location.reload());
  if (paragraphs === undefined) return "Loading the text …";
  if (found.length > 0) {
    const parts = fetched && `; ${fetched.parts === 0 ? "no part" : count(fetched.parts, "part")} of the index fetched${fetched.parts === 0 ? "" : `, ${megabytes(fetched.bytes)}`}`;
    return `${found.length} of ${count(paragraphs, own ? "text" : "paragraph")}, in ${milliseconds(foundIn ?? 0)}${parts ?? ""}`;
  }
  if (run.kind === "empty") return "There is no text to search.";
  if (run.kind === "searching") return run.step;
  if (run.kind !== "waiting") return run.kind === "none" ? "Ask a question to see its candidates." : "";
  const need = `The search itself needs the model${firstStageOf(state) === "vectors" ? " for a question of your own" : ""}`;
  return state.model.kind === "loading" ? `${need}; it is on its way.` : `${need}.`;
}
