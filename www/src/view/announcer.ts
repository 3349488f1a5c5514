// What a screen reader is told: one polite line, late enough to skip what passes by at once.
import { count } from "../format.ts";
import { changed, type State, type Store } from "../state.ts";
import { byId } from "./dom.ts";

const DELAY = 500;

export type Announce = (message: string) => void;

export function mountAnnouncer(store: Store): Announce {
  const line = byId("announcer");
  let timer: ReturnType<typeof setTimeout> | undefined;
  const announce = (message: string) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      line.textContent = message;
    }, DELAY);
  };
  store.subscribe((state, previous) => {
    const message = changed(state, previous, "run", "found") ? runMessage(state) : undefined;
    const standing = message ?? (state.model.kind === previous?.model.kind ? undefined : modelMessage(state));
    if (standing !== undefined) announce(standing);
  });
  return announce;
}

export function runMessage({ run, found, model }: State): string | undefined {
  const candidates = count(found.length, "candidate");
  if (run.kind === "done") return `${candidates}, reordered by relevance.${run.output.queryTruncated ? " The question was cut." : ""}`;
  if (run.kind === "empty") return "No candidates for this question.";
  if (run.kind === "cancelled") return "Reranking cancelled; the first order stays.";
  if (run.kind === "failed") return `Reranking failed. ${run.problem.message}`;
  return run.kind === "waiting" && found.length > 0 && model.kind === "idle" ? `${candidates} in their first order.` : undefined;
}

export function modelMessage({ model }: State): string | undefined {
  if (model.kind === "ready") return `Model ready on ${model.device === "cpu" ? "the CPU" : "WebGPU"}.`;
  return model.kind === "failed" ? `The model could not be loaded. ${model.problem.message}` : undefined;
}
