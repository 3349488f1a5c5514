/** Gathers the files of a folder that the fake server serves, with time that flies. */

import type { FolderLocation } from "../../src/protocol.js";
import type { Warning } from "../../src/types.js";
import { gather } from "../../src/worker/checkpoint-source.js";
import type { WantedFile } from "../../src/worker/engine.js";
import { FolderFiles } from "../../src/worker/folder-files.js";
import { LoadMeter } from "../../src/worker/load-meter.js";
import { FakeCheckpoint } from "./engine.js";
import { FOLDER, settled } from "./load.js";
import { type Answer, FakeServer, ok, safetensors } from "./server.js";

export const WEIGHTS = safetensors(1000);

/** The files without which a checkpoint is not whole. */
export const BASE = { "config.json": ok("{}"), "tokenizer.json": ok("[]"), "model.safetensors": ok(WEIGHTS) };

/** What the last folder has warned of. */
export const warnings: Warning[] = [];

/** Needs `vi.useFakeTimers`. */
export async function gatherFolder(files: Record<string, Answer | Answer[]>, location: Partial<FolderLocation> = {}, rounds?: WantedFile[][]) {
  const server = new FakeServer({ ...BASE, ...files });
  warnings.length = 0;
  const folder = { kind: "folder", url: FOLDER, source: FOLDER, revision: "", headers: {}, cache: "off", ...location } as const;
  const source = new FolderFiles(folder, undefined, "default", (warning) => warnings.push(warning));
  const checkpoint = new FakeCheckpoint(rounds);
  await settled(gather(checkpoint, source, new LoadMeter(() => {})));
  return { server, checkpoint };
}
