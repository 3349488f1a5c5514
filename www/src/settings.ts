// Settings in the page's fragment, which browsers do not send: a link shares them, and back and forward go through them.
import { type FirstStage, WORDS } from "./first-stage-words.ts";
import { PAGE_MODEL } from "./known-models.ts";
import type { ModelSource } from "./model-place.ts";
import type { Device, Weights } from "./state.ts";

/** What can be changed on the page. */
export interface Choices {
  device: Device;
  weights: Weights;
  firstStage: FirstStage;
  candidates: number;
  source: ModelSource;
}

export interface Settings extends Choices {
  /** Where models are loaded from by their id: Hugging Face, or a folder of this site that answers as it does. */
  hub: URL;
  /** Reads pages as images. */
  pageModel: ModelSource;
  /** Folder of the corpus with its vectors. */
  data: URL;
  /** Settings that were given and cannot be used. */
  refused: string[];
}

const HUB = "https://huggingface.co/";

const MOST_CANDIDATES = 1000;

const DEFAULTS = { device: "auto", weights: "q8", firstStage: "vectors", candidates: 20 } as const;

/** `hubs`: whether a model of a hub is taken. */
export function readSettings(page: URL, hubs = true): Settings {
  const refused: string[] = [];
  const given = parameters(page);
  const read = <T>(name: string, fallback: T, parse: (text: string) => T | undefined): T => {
    const text = given.get(name);
    if (text === null) return fallback;
    const value = parse(text);
    if (value === undefined) refused.push(`${name}=${text}`);
    return value ?? fallback;
  };
  const hub = read("hub", new URL(HUB), (text) => asFolder(text, page));
  const folder = read("model", ownModel(page), (text) => asModel(asFolder(text, page)));
  const ofHub = (text: string) => (hubs ? asHubModel(text, hub) : undefined);
  const pageFolder = read("page-model", { kind: "hub", id: PAGE_MODEL.id, hub }, (text) => asModel(asFolder(text, page)));
  return {
    device: read<Device>("device", DEFAULTS.device, asDevice),
    weights: read<Weights>("dtype", DEFAULTS.weights, asWeights),
    firstStage: read<FirstStage>("first", DEFAULTS.firstStage, asFirstStage),
    candidates: read<number>("candidates", DEFAULTS.candidates, asCount),
    source: read("hub-model", folder, ofHub),
    hub,
    pageModel: read("hub-page-model", pageFolder, ofHub),
    data: read("data", new URL("data/", page), (text) => asFolder(text, page)),
    refused,
  };
}

/** The page's own. */
export function ownModel(page: URL): ModelSource {
  return { kind: "folder", folder: new URL("models/all-MiniLM-L6-v2/", page), hasBundles: true };
}

export function choicesOf({ device, weights, firstStage, candidates, source }: Choices): Choices {
  return { device, weights, firstStage, candidates, source };
}

export function readQuestion(page: URL): string {
  return (parameters(page).get("q") ?? "").trim();
}

/** The fragment that holds these choices, and of the page's own what cannot be changed on it; the question only where it is given. */
export function fragmentOf({ device, weights, firstStage, candidates, source }: Choices, page: URL, question?: string): string {
  const before = parameters(page);
  const told = {
    device: device === DEFAULTS.device ? null : device,
    dtype: weights === DEFAULTS.weights ? null : weights,
    first: firstStage === DEFAULTS.firstStage ? null : firstStage,
    candidates: candidates === DEFAULTS.candidates ? null : String(candidates),
    model: source.kind === "folder" && !source.hasBundles ? source.folder.pathname : null,
    "hub-model": source.kind === "hub" ? source.id : null,
    "page-model": before.get("page-model"),
    "hub-page-model": before.get("hub-page-model"),
    hub: before.get("hub"),
    data: before.get("data"),
    q: question ?? null,
  };
  const parts = Object.entries(told).flatMap(([name, value]) => (value === null ? [] : [`${name}=${encodeURIComponent(value).replaceAll("%2F", "/")}`]));
  return `#${parts.join("&")}`;
}

/** A model's owner and name, as hubs allow them. */
export function asHubModel(text: string, hub: URL): ModelSource | undefined {
  const id = text.trim();
  return /^(?!\.)[\w.-]{1,96}\/(?!\.)[\w.-]{1,96}$/.test(id) ? { kind: "hub", id, hub } : undefined;
}

function parameters(page: URL): URLSearchParams {
  return new URLSearchParams(page.hash.replace(/^#/, ""));
}

function asModel(folder: URL | undefined): ModelSource | undefined {
  return folder && { kind: "folder", folder, hasBundles: false };
}

function asDevice(text: string): Device | undefined {
  return text === "auto" || text === "cpu" || text === "webgpu" ? text : undefined;
}

function asWeights(text: string): Weights | undefined {
  return text === "f32" || text === "q8" || text === "q4" ? text : undefined;
}

function asFirstStage(text: string): FirstStage | undefined {
  return Object.hasOwn(WORDS, text) ? (text as FirstStage) : undefined;
}

function asCount(text: string): number | undefined {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= MOST_CANDIDATES ? count : undefined;
}

function asFolder(text: string, page: URL): URL | undefined {
  const folder = `${text.replace(/\/+$/, "")}/`;
  if (!URL.canParse(folder, page.href)) return undefined;
  const url = new URL(folder, page);
  // The page's policy allows its own origin, and of others a hub alone.
  return url.origin === page.origin ? url : undefined;
}
