// Settings from the page's address. A question is never read from the query, which is sent to the server; the fragment is not.
import type { FirstStage } from "./first-stage-words.ts";
import type { Device, Weights } from "./state.ts";

export interface Settings {
  device: Device;
  weights: Weights;
  firstStage: FirstStage;
  candidates: number;
  /** Folder of the model. */
  model: URL;
  /** Beside the folder are bundles of its weights, as they are for the page's own model. */
  hasBundles: boolean;
  /** Folder of the corpus with its vectors. */
  data: URL;
  /** Settings that were given and cannot be used. */
  refused: string[];
}

const MOST_CANDIDATES = 1000;

export function readSettings(page: URL): Settings {
  const refused: string[] = [];
  const read = <T>(name: string, fallback: T, parse: (text: string) => T | undefined): T => {
    const text = page.searchParams.get(name);
    if (text === null) return fallback;
    const value = parse(text);
    if (value === undefined) refused.push(`${name}=${text}`);
    return value ?? fallback;
  };
  const own = new URL("models/all-MiniLM-L6-v2/", page);
  const model = read("model", own, (text) => asFolder(text, page));
  return {
    device: read("device", "auto", asDevice),
    weights: read("dtype", "q8", asWeights),
    firstStage: read("first", "vectors", asFirstStage),
    candidates: read("candidates", 20, asCount),
    model,
    hasBundles: model === own,
    data: read("data", new URL("data/", page), (text) => asFolder(text, page)),
    refused,
  };
}

export function readQuestion(hash: string): string {
  return (new URLSearchParams(hash.replace(/^#/, "")).get("q") ?? "").trim();
}

function asDevice(text: string): Device | undefined {
  return text === "auto" || text === "cpu" || text === "webgpu" ? text : undefined;
}

function asWeights(text: string): Weights | undefined {
  return text === "f32" || text === "q8" || text === "q4" ? text : undefined;
}

function asFirstStage(text: string): FirstStage | undefined {
  return text === "vectors" || text === "index" ? text : undefined;
}

function asCount(text: string): number | undefined {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= MOST_CANDIDATES ? count : undefined;
}

function asFolder(text: string, page: URL): URL | undefined {
  const folder = `${text.replace(/\/+$/, "")}/`;
  if (!URL.canParse(folder, page.href)) return undefined;
  const url = new URL(folder, page);
  // The page's policy allows its own origin only.
  return url.origin === page.origin ? url : undefined;
}
