// Where the time of the last question went, and of how many candidates it took none to encode them.
import { WORDS } from "../first-stage-words.ts";
import { milliseconds } from "../format.ts";
import { changed, firstStageOf, type State, type Store } from "../state.ts";
import { byId, el } from "./dom.ts";

const STAGES = ["tokenize", "encode", "score", "explain", "total"] as const;

export function mountTimingPanel(store: Store): void {
  const list = byId("timings");
  store.subscribe((state, previous) => {
    if (changed(state, previous, "run", "foundIn", "firstStage", "own")) list.replaceChildren(...figures(state));
  });
}

function figures(state: State): HTMLElement[] {
  const { run, foundIn } = state;
  const timings = run.kind === "done" ? run.output.timings : undefined;
  const rows = STAGES.map((stage): [string, number | undefined] => [stage, timings?.[stage]]);
  const known = timings && `${timings.cacheHits} of ${timings.cacheHits! + timings.cacheMisses!}`;
  const time = (value: number | undefined) => (value === undefined ? "–" : milliseconds(value));
  return [
    figure(WORDS[firstStageOf(state)].time, time(foundIn), "first"),
    ...rows.map(([name, value]) => figure(name, time(value))),
    figure("known before", known ?? "–"),
  ];
}

function figure(name: string, value: string, stage = name): HTMLElement {
  return el("div", { "data-stage": stage }, el("dt", {}, name), el("dd", {}, value));
}
