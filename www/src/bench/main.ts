// The bench page: one button, and a report to paste.
import { asProblem } from "../problem.ts";
import { readSettings } from "../settings.ts";
import { VERSION } from "../version.ts";
import { allowOwnWorkers } from "../trusted-types.ts";
import { copyText } from "../view/copy.ts";
import { button, byId, el, fill } from "../view/dom.ts";
import { problemNote } from "../view/problem.ts";
import { mountTheme } from "../view/theme.ts";
import { measure } from "./measure.ts";
import { reportText, verdictOf } from "./report.ts";

allowOwnWorkers();

// A press measures, and is no consent to ask another site.
const settings = readSettings(new URL(location.href), false);
const bench = byId("bench");
const status = byId("bench-status");
const progress = byId<HTMLProgressElement>("bench-progress");
const report = byId<HTMLTextAreaElement>("report");

async function run(): Promise<void> {
  const abort = new AbortController();
  // Some of what browsers are asked may never be answered.
  const cancelled = new Promise<never>((_, reject) => abort.signal.addEventListener("abort", () => reject(abort.signal.reason)));
  show("running", "Starting", button("Cancel", () => abort.abort()));
  try {
    const found = await Promise.race([measure(settings, VERSION, abort.signal, tell), cancelled]);
    report.value = reportText(found);
    report.rows = report.value.split("\n").length;
    show("done", verdictOf(found), startButton("Measure again"));
    byId("report-title").focus();
  } catch (error) {
    if (abort.signal.aborted) show("idle", "Cancelled.", startButton());
    else show("failed", "", problemNote("This machine could not be measured.", asProblem(error), run));
  }
}

function tell(step: string, done: number, total: number): void {
  status.textContent = step;
  progress.value = done / total;
}

function show(state: "idle" | "running" | "done" | "failed", message: string, ...controls: HTMLElement[]): void {
  bench.dataset["state"] = state;
  status.textContent = message;
  progress.hidden = state !== "running";
  progress.value = 0;
  byId("report-section").hidden = state !== "done";
  byId("copied").textContent = "";
  fill(byId("bench-controls"), ...controls);
}

function startButton(label = "Measure this machine"): HTMLButtonElement {
  return button(label, () => void run(), { class: "primary", id: "start" });
}

async function copy(): Promise<void> {
  byId("copied").textContent = await copyText(report);
}

mountTheme();
byId("report-actions").prepend(button("Copy the report", () => void copy(), { id: "copy" }), " ");
show("idle", "", startButton());
if (settings.refused.length > 0) byId("bench-note").append(el("p", { class: "note" }, `Not used from the address: ${settings.refused.join(", ")}`));
