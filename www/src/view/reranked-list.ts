// The better order, as soon as it is there and does not get in the reader's way.
import type { Progress, RerankOutput } from "tabrank";
import { WORDS } from "../first-stage-words.ts";
import { count, megabytes, milliseconds } from "../format.ts";
import { changed, currentExample, firstStageOf, type Candidate, type Run, type State, type Store } from "../state.ts";
import { Touch } from "../swap.ts";
import type { Announce } from "./announcer.ts";
import { candidateRow } from "./first-list.ts";
import { button, byId, el, fill } from "./dom.ts";
import { fold, showRows } from "./folded-list.ts";
import { glide, placesOf } from "./glide.ts";
import { problemNote } from "./problem.ts";
import { rerankedRows } from "./reranked-row.ts";

export interface RunActions {
  again(): void;
  cancel(): void;
}

type Output = RerankOutput<Candidate>;

export function mountRerankedList(store: Store, actions: RunActions, announce: Announce): void {
  const list = byId("reranked-rows");
  const touch = new Touch(list);
  let shown: Output | undefined;

  const show = (output: Output) => {
    const before = placesOf(list);
    shown = output;
    showRows(list, rerankedRows(output, store.state.after, currentExample(store.state)?.relevant, WORDS[firstStageOf(store.state)].time), store);
    glide(list, before);
    tell(store.state);
  };
  const accept = (output: Output) => {
    show(output);
    byId("reranked-title").focus({ preventScroll: true });
  };
  const tell = mountStanding(actions, () => shown, accept);

  store.subscribe((state, previous) => {
    if (changed(state, previous, "found")) {
      const relevant = currentExample(state)?.relevant;
      showRows(list, state.found.map((candidate) => candidateRow(candidate, relevant)), store);
      shown = undefined;
      touch.reset();
    }
    if (changed(state, previous, "expanded")) fold(list, store);
    if (changed(state, previous, "after") && shown !== undefined) show(shown);
    if (changed(state, previous, "run", "model", "found", "facts", "source")) tell(state);
    if (changed(state, previous, "run") && state.run.kind === "done") {
      if (touch.maySwap()) show(state.run.output);
      else announce("A better order is available.");
    }
  });
}

/** The line above the list. Its height is kept, so that no row moves when it changes. */
function mountStanding(actions: RunActions, shown: () => Output | undefined, accept: (output: Output) => void) {
  const column = byId("reranked");
  const status = byId("reranked-status");
  let progress: ((run: Run) => void) | undefined;
  return (state: State) => {
    const { run } = state;
    column.dataset["run"] = run.kind === "done" && shown() !== run.output ? "offered" : run.kind;
    byId("reranked-rows").ariaBusy = String(run.kind === "reranking");
    if (run.kind === "reranking") {
      progress ??= mountProgress(status, actions);
      progress(run);
      return;
    }
    progress = undefined;
    if (run.kind === "done" && shown() !== run.output) {
      fill(status, button("Better order available", () => accept(run.output), { class: "primary" }));
    } else fill(status, ...standing(state, actions));
  };
}

function mountProgress(status: HTMLElement, actions: RunActions): (run: Run) => void {
  const bar = el("progress", { value: 0, "aria-label": "Reranking" });
  const text = el("span", { class: "figure" });
  fill(status, bar, text, button("Cancel", actions.cancel));
  return (run) => {
    if (run.kind !== "reranking") return;
    bar.max = run.total;
    bar.value = run.done;
    text.textContent = `${run.done} of ${run.total} encoded`;
  };
}

function loaded(progress: Progress | undefined): string {
  return `${Math.floor((progress?.progress ?? 0) * 100)} %`;
}

function standing(state: State, actions: RunActions): (Node | string)[] {
  const { run, found, model } = state;
  if (run.kind === "done") {
    const { results, timings, queryTruncated } = run.output;
    const note = queryTruncated ? [el("span", { class: "note" }, "The question is longer than the model reads: the rest of it was left out.")] : [];
    return [`${count(results.length, "candidate")}, in ${milliseconds(timings.total)}`, ...note];
  }
  if (run.kind === "cancelled") {
    const place = found.length > 0 ? "Cancelled; this is the first order." : "Cancelled.";
    return [el("span", {}, place), button("Rerank", actions.again)];
  }
  if (run.kind === "failed") {
    return [problemNote(found.length > 0 ? "Reranking failed." : "The search failed.", run.problem, actions.again)];
  }
  if (run.kind === "empty") return ["There is nothing to rerank."];
  if (run.kind === "none") return [];
  if (run.kind === "searching") return ["Waiting for the candidates …"];
  if (model.kind === "loading") return [`Loading the model, ${loaded(model.progress)} …`];
  return [el("span", {}, "Not reranked yet."), ...loadButton(state, actions)];
}

/** The panel of the model may be far below. What another site has first to be asked for is left to that. */
function loadButton({ source, facts }: State, { again }: RunActions): HTMLElement[] {
  if (source.kind === "hub" && facts.size === undefined) return [el("span", {}, `“Model” says what ${source.hub.host} has first to be asked for.`)];
  const size = facts.size === undefined ? "" : ` (${megabytes(facts.size)})`;
  return [button(`Load the model${size}`, again)];
}
