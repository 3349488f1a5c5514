/** Loads as a worker does, of the folder that the fake server serves. */

import { vi } from "vitest";
import type { ProgressMeter } from "../../src/page/progress-meter.js";
import type { FolderLocation, FromWorker, LoadRequest } from "../../src/protocol.js";
import type { ModelPlace } from "../../src/storage/stored-models.js";
import { nextTask } from "../../src/worker/task.js";
import { loadEngine } from "../../src/worker/load-engine.js";
import { type FakeModule, fakeModule } from "./engine.js";

export const FOLDER = "https://host/model/";

const WASM = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));

export interface LoadSetup extends Partial<FolderLocation> {
  resume?: boolean;
  convert?: LoadRequest["convert"];
  load?: Parameters<typeof fakeModule>[0];
  module?: Partial<FakeModule>;
  device?: LoadRequest["device"];
  engine?: LoadRequest["engine"];
  specialTokens?: LoadRequest["specialTokens"];
  overrides?: LoadRequest["overrides"];
  share?: boolean;
  meter?: ProgressMeter | undefined;
}

/** What the worker of the last load has posted. */
export const messages: FromWorker[] = [];

export async function load({ resume = false, convert, load: engineLoad, module, device = "cpu", engine = device === "cpu" ? "cpu" : "both", specialTokens, overrides, share, meter, ...location }: LoadSetup = {}) {
  messages.length = 0;
  const post = (message: FromWorker) => {
    messages.push(message);
    if (message.type === "progress") meter?.report(message.progress);
  };
  const checkpoint = { kind: "folder", url: FOLDER, source: location.url ?? FOLDER, revision: "", headers: {}, cache: "use", ...location } as const;
  const request = { wasm: WASM, engine, checkpoint, device, convert, resume, ...(specialTokens && { specialTokens }), ...(overrides && { overrides }), ...(share && { share }) };
  return loadEngine({ ...fakeModule(engineLoad), ...module }, request, post, () => {});
}

/** With time that flies, but not past what takes real time, as hashing does. */
export async function settled(loading: Promise<unknown>): Promise<void> {
  let open = true;
  const end = () => (open = false);
  loading.then(end, end);
  while (open) {
    await vi.advanceTimersByTimeAsync(20);
    await nextTask();
  }
  await loading;
}

/** What tells the model of the folder that is loaded from others. */
export const place = (more: Partial<ModelPlace> = {}): ModelPlace => ({ url: FOLDER, source: more.url ?? FOLDER, revision: "", headers: {}, ...more });

export const warnings = () => messages.filter((message) => message.type === "warning").map(({ warning }) => warning);
