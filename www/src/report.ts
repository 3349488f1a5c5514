// A report to paste: settings, device, timings and versions. Of question and texts nothing, unless that is asked for.
import { browserFacts, type Facts, table } from "./bench/machine.ts";
import { WORDS } from "./first-stage-words.ts";
import { count, megabytes, milliseconds } from "./format.ts";
import { nameOf } from "./model-place.ts";
import { firstStageOf, type State } from "./state.ts";

/** `version`: of the package. `texts`: whether the question and the titles that were found belong to it. */
export async function reportOf(state: State, version: string, date: Date, texts: boolean): Promise<string> {
  const machine: Facts = [...(await browserFacts()), ["cores", String(navigator.hardwareConcurrency)]];
  const lines = [
    `Tabrank ${version}, demo page, ${date.toISOString()}`,
    "",
    ...table([...machine, ...settings(state), ...model(state), ...run(state)]),
    ...(texts ? ["", ...found(state)] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function settings(state: State): Facts {
  const texts = state.own ? `${state.own.paragraphs.length} of the user’s own` : `${state.paragraphs ?? 0} of the page`;
  return [
    ["device asked for", state.device],
    ["weights asked for", state.weights],
    ["first stage", WORDS[firstStageOf(state)].title],
    ["candidates", String(state.candidates)],
    ["texts", texts],
  ];
}

function model({ model, source }: State): Facts {
  const name: Facts[number] = ["model", `${nameOf(source)}${source.kind === "hub" ? ` from ${source.hub.host}` : ""}`];
  if (model.kind === "failed") return [name, ["load", `${model.problem.code}: ${model.problem.message}`]];
  if (model.kind !== "ready") return [name, ["load", model.kind === "loading" ? "under way" : "not loaded"]];
  const { info, device, simd, size, fromCache, warnings } = model;
  return [
    name,
    ["architecture", `${info.architecture}, ${info.layers} layers, ${info.dimension} dimensions, ${info.dtype}`],
    ["load", `${megabytes(size)} ${fromCache ? "from this browser’s storage" : "from the network"}`],
    ["device", `${device}; ${simd} on the CPU`],
    ...warnings.map(({ code }): Facts[number] => ["warning", code]),
  ];
}

function run({ run, found, foundIn }: State): Facts {
  const first: Facts = foundIn === undefined ? [] : [["first stage took", `${milliseconds(foundIn)} for ${count(found.length, "candidate")}`]];
  if (run.kind === "failed") return [...first, ["rerank", `${run.problem.code}: ${run.problem.message}`]];
  if (run.kind !== "done") return [...first, ["rerank", run.kind]];
  const { tokenize, encode, score, explain, total, cacheHits = 0, cacheMisses = 0 } = run.output.timings;
  const parts = Object.entries({ tokenize, encode, score, explain }).map(([name, time]) => `${name} ${milliseconds(time)}`);
  return [...first, ["rerank", `${milliseconds(total)} (${parts.join(", ")})`], ["known before", `${cacheHits} of ${cacheHits + cacheMisses}`]];
}

function found({ question, run, found }: State): string[] {
  const reranked = run.kind === "done" ? run.output.results.map(({ rank, document }) => `  ${rank}. ${document.paragraph.title} (before: ${document.rank})`) : found.map(({ rank, paragraph }) => `  ${rank}. ${paragraph.title}`);
  return [`Question: ${question}`, ...reranked];
}
