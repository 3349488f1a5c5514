// Settings from the page's address. A question is never read from the query, which is sent to the server; the fragment is not.
import type { Device } from "./state.ts";

export interface Settings {
  device: Device;
  candidates: number;
  /** Folder of the model. */
  model: URL;
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
  return {
    device: read("device", "auto", asDevice),
    candidates: read("candidates", 20, asCount),
    model: read("model", new URL("models/all-MiniLM-L6-v2/", page), (text) => asFolder(text, page)),
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
