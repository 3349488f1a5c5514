/** Loads the model in a folder. */

import { Reranker } from "../index.js";
import type { CheckpointFiles, LoadOptions, Overrides } from "../types.js";
import type { Taken } from "./arguments.js";
import { optionsIn } from "./arguments.js";
import { unreadable } from "./failure.js";
import { fs, say } from "./host.js";

/** What a model may be made of. */
const FILE = /\.(json|safetensors|txt|model|bin)$/;

/** Modules are one folder down. */
const DEPTH = 2;

const OVERRIDES: Record<string, string> = {
  "query-prefix": "queryPrefix",
  "document-prefix": "documentPrefix",
  "query-length": "queryLength",
  "document-length": "documentLength",
  "expansion-length": "expansionLength",
  "expansion-token": "expansionToken",
  "truncate-dim": "truncateDim",
};

/** What a page is protected from is up to whoever runs a command. */
const LIMITS = { documents: 2 ** 31 - 1, textLength: 2 ** 31 - 1, totalLength: Number.MAX_SAFE_INTEGER, embeddingBytes: Number.MAX_SAFE_INTEGER, silence: 60_000 };

export async function loadModel(folder: string, args: Taken, overrides = overridesIn(args)): Promise<Reranker> {
  const options: LoadOptions = { device: "cpu", limits: LIMITS, ...(Object.keys(overrides).length > 0 && { overrides }), ...(args["special-tokens"] === "text" && { specialTokens: "text" }) };
  const reranker = await Reranker.load(filesIn(folder), options);
  const { architecture, dtype } = reranker.model;
  say(`${architecture}: ${dtype} weights`);
  for (const { message } of reranker.warnings) say(`warning: ${message}`);
  return reranker;
}

function overridesIn(args: Taken): Overrides {
  const words = args["skiplist-words"];
  const flags = { doQueryExpansion: args["do-query-expansion"], attendToExpansionTokens: args["attend-to-expansion-tokens"] };
  const asked = Object.entries(flags).filter(([, flag]) => flag !== undefined);
  return {
    ...optionsIn(args, OVERRIDES),
    ...Object.fromEntries(asked.map(([name, flag]) => [name, flag === "true"])),
    ...(typeof words === "string" && { skiplistWords: words.split(/\s+/).filter((word) => word !== "") }),
  };
}

function filesIn(folder: string): CheckpointFiles {
  try {
    if (!fs.statSync(folder).isDirectory()) throw new Error("it is no folder");
    const files = Object.fromEntries(namesIn(folder, DEPTH).map((name) => [name, fs.readFileSync(`${folder}/${name}`)]));
    return Object.keys(files).length > 0 ? files : { "README.md": new Blob() };
  } catch (error) {
    throw unreadable(`cannot read ${folder}: ${(error as Error).message}`);
  }
}

function namesIn(folder: string, depth: number): string[] {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (!entry.isDirectory()) return FILE.test(entry.name) ? [entry.name] : [];
    return depth > 1 ? namesIn(`${folder}/${entry.name}`, depth - 1).map((name) => `${entry.name}/${name}`) : [];
  });
}
