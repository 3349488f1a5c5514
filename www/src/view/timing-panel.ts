// Where the time of the last question went, and of how many candidates it took none to encode them.
import { milliseconds } from "../format.ts";
import { changed, type State, type Store } from "../state.ts";
import { byId, el } from "./dom.ts";

const STAGES = ["tokenize", "encode", "score", "explain", "total"] as const;

export function mountTimingPanel(store: Store): void {
  const list = byId("timings");
  store.subscribe((state, previous) => {
    if (changed(state, previous, "run", "denseTime")) list.replaceChildren(...figures(state));
  });
}

function figures({ run, denseTime }: State): HTMLElement[] {
  const timings = run.kind === "done" ? run.output.timings : undefined;
  const rows: [string, number | undefined][] = [["dense search", denseTime]];
  for (const stage of STAGES) rows.push([stage, timings?.[stage]]);
  const known = timings && `${timings.cacheHits} of ${timings.cacheHits! + timings.cacheMisses!}`;
  return [...rows.map(([name, value]) => figure(name, value === undefined ? "–" : milliseconds(value))), figure("known before", known ?? "–")];
}

function figure(name: string, value: string): HTMLElement {
  return el("div", { "data-stage": name }, el("dt", {}, name), el("dd", {}, value));
}
