// Where the model stands: the question for consent, the load, the device in use and why.
import type { Progress, Warning } from "tabrank";
import { megabytes, megabytesOf } from "../format.ts";
import { type ModelSource, nameOf } from "../model-place.ts";
import { changed, type ModelState, type State, type Store } from "../state.ts";
import { button, byId, el, fill } from "./dom.ts";
import { problemNote } from "./problem.ts";

export interface ModelActions {
  load(): void;
  /** Asks the hub for what it tells of the model. */
  ask(): void;
  cancel(): void;
}

type Ready = Extract<ModelState, { kind: "ready" }>;

const PHASES: Record<Progress["phase"], string> = {
  download: "Downloading",
  convert: "Converting the weights",
  compile: "Compiling the engine",
  load: "Loading the weights",
  check: "Checking the device",
  ready: "Ready",
};

const SIMD = { simd128: "WebAssembly SIMD", relaxed: "relaxed WebAssembly SIMD" };

const DEVICES = { cpu: "the CPU", webgpu: "WebGPU" };

export function mountModelPanel(store: Store, actions: ModelActions): void {
  const panel = byId("model");
  const body = byId("model-body");
  let loading: ((state: State) => void) | undefined;
  store.subscribe((state, previous) => {
    if (!changed(state, previous, "model", "facts", "source", "online")) return;
    panel.dataset["state"] = state.model.kind;
    if (state.model.kind === "loading") {
      // Built once: a bar that is replaced at each step would lose the focus on “Cancel”.
      loading ??= mountLoading(body, state.model.name, actions);
      loading(state);
    } else {
      loading = undefined;
      fill(body, ...contents(state, actions));
    }
  });
}

function contents(state: State, actions: ModelActions): HTMLElement[] {
  const { model, source, facts } = state;
  if (model.kind === "ready") return readyContents(state, model);
  const untold = source.kind === "hub" && facts.size === undefined;
  const failed = model.kind === "failed" && [problemNote("The model could not be loaded.", model.problem, untold ? actions.ask : actions.load)];
  return [
    named(nameOf(source), "not loaded"),
    ...(failed || (source.kind === "hub" && untold ? askContents(source, actions) : loadContents(state, actions))),
    ...(state.online ? [] : [el("p", { class: "note" }, "You are offline. The model is not in this browser yet, so loading it needs a connection.")]),
  ];
}

/** Before anything is asked of another site. */
function askContents({ hub }: Extract<ModelSource, { kind: "hub" }>, actions: ModelActions): HTMLElement[] {
  return [
    el("p", {}, `This model is at ${hub.host}, which has not been contacted. To tell its size and licence it has to be asked, and then knows your address and which model you asked for.`),
    el("p", {}, button(`Ask ${hub.host}`, actions.ask, { class: "primary", id: "ask-hub" })),
  ];
}

function loadContents({ source, facts, weights }: State, actions: ModelActions): HTMLElement[] {
  const size = facts.size === undefined ? "" : ` (${megabytes(facts.size)})`;
  const here = `Reranking needs the model in this tab. It is fetched once${size} and then kept in this browser.`;
  const converted = weights === "f32" ? "" : `, converted to ${weights} here`;
  const there = (hub: URL) => `It is fetched once from ${hub.host}${size}${converted} and then kept in this browser. That site learns your address and the model’s name, and nothing that you type.`;
  return [
    el("p", {}, source.kind === "hub" ? there(source.hub) : here),
    ...(facts.licence === undefined ? [] : [el("p", { class: "aside" }, `Licence: ${facts.licence}.`)]),
    el("p", {}, button(`Load the model${size}`, actions.load, { class: "primary", id: "load-model" })),
  ];
}

function mountLoading(body: HTMLElement, name: string, actions: ModelActions): (state: State) => void {
  const phase = el("p", {});
  const bar = el("progress", { max: 1, value: 0, "aria-label": "Loading the model" });
  const bytes = el("p", { class: "aside figure" });
  fill(body, named(name, "loading"), phase, bar, bytes, el("p", {}, button("Cancel", actions.cancel)));
  return ({ model }) => {
    const progress = model.kind === "loading" ? model.progress : undefined;
    bar.value = progress?.progress ?? 0;
    phase.textContent = progress === undefined ? "Starting" : phaseText(progress);
    bytes.textContent = progress === undefined ? "" : bytesText(progress);
  };
}

function phaseText({ phase, fromCache }: Progress): string {
  return phase === "download" && fromCache ? "Reading from this browser’s storage" : PHASES[phase];
}

function bytesText({ loaded, total, fromCache }: Progress): string {
  return `${megabytesOf(loaded, total)}, ${fromCache ? "from this browser’s storage" : "from the network"}`;
}

function readyContents(state: State, model: Ready): HTMLElement[] {
  const fallback = model.warnings.filter(({ code }) => code === "WEBGPU_FALLBACK");
  const others = model.warnings.filter(({ code }) => code !== "WEBGPU_FALLBACK");
  return [
    named(model.name, "ready"),
    el("p", {}, "Runs on ", el("strong", { id: "device-in-use" }, DEVICES[model.device]), fallback.length > 0 ? ":" : ` ${reason(state, model)}`),
    ...fallback.map((warning) => warningNote(warning)),
    weightsLine(model),
    ...(state.online ? [] : [el("p", { class: "note" }, "You are offline. Nothing is missing: questions still work.")]),
    el("details", {}, el("summary", {}, aboutLabel(others)), about(model), ...others.map((warning) => warningNote(warning))),
  ];
}

function weightsLine({ info, size, fromCache, warnings }: Ready): HTMLElement {
  const fetched = warnings.some(({ code }) => code === "CACHE_UNAVAILABLE") ? "fetched from the network, not kept" : "fetched from the network and kept";
  const origin = fromCache ? "read from this browser’s storage" : fetched;
  return el("p", {}, "Weights: ", el("strong", { id: "weights-in-use" }, info.dtype), `, ${megabytes(size)} ${origin}.`);
}

function reason({ device }: State, model: Ready): string {
  if (device !== "auto") return "as chosen.";
  return model.device === "webgpu"
    ? "because this browser has it and its check passed."
    : "(WebAssembly SIMD) because WebGPU is not to be had here.";
}

function aboutLabel(notes: Warning[]): string {
  if (notes.length === 0) return "About this model";
  return `About this model, ${notes.length === 1 ? "one note" : `${notes.length} notes`}`;
}

function about({ info, simd }: Ready): HTMLElement {
  const parts = [`${info.layers} layers`, `${info.dimension} dimensions for each token`, `weights of ${megabytes(info.weightBytes)}`];
  const cut = `texts are cut after ${info.documentLength} tokens`;
  return el("p", { class: "aside" }, `${info.architecture}, ${parts.join(", ")}; ${cut}; ${SIMD[simd]} on the CPU.`);
}

function warningNote({ code, message }: Warning): HTMLElement {
  return el("p", { class: "note" }, message, " ", el("code", {}, code));
}

function named(name: string, standing: string): HTMLElement {
  return el("p", { class: "model-name" }, el("strong", {}, name), " ", el("span", { class: "badge" }, standing));
}
