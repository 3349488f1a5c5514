/** Brings a checkpoint's files to the engine, which says from the files it has what it wants next. */

import { type Bytes, FILE_CAP, tooBig } from "./download.js";
import type { Checkpoint, WantedFile } from "./engine.js";
import { RerankerError } from "./error.js";
import type { LoadMeter } from "./load-meter.js";

/** A file whose size is known and whose bytes may still have to come. */
export interface OpenFile {
  size: number;
  read(): Promise<Bytes>;
}

/** Hears how many bytes of a file have come. */
export type OnBytes = (received: number, fromCache: boolean) => void;

export interface FileSource {
  /** Undefined when there is no such file. */
  open(wanted: WantedFile, onBytes: OnBytes): Promise<OpenFile | undefined>;
}

/**
 * Adds all files that the checkpoint wants. Weights are opened only, so that every size is known before their bytes are read; then they are read one by
 * one, and no file's bytes are kept once the engine has its copy.
 */
export async function gather(checkpoint: Checkpoint, source: FileSource, meter: LoadMeter): Promise<void> {
  const weights = new Map<string, OpenFile>();
  for (let wanted = checkpoint.wanted(); wanted.length > 0; wanted = checkpoint.wanted()) {
    const unopened = wanted.filter((file) => !weights.has(file.name));
    if (unopened.length > 0) await openAll(unopened, weights, checkpoint, source, meter);
    else await addWeights(weights, checkpoint, meter);
  }
}

/** Whether a file is large enough, as a rule, that only its size is asked for at first. */
export function isWeights(name: string): boolean {
  return name.endsWith(".safetensors");
}

async function openAll(wanted: WantedFile[], weights: Map<string, OpenFile>, checkpoint: Checkpoint, source: FileSource, meter: LoadMeter): Promise<void> {
  const open = async ({ name, optional }: WantedFile) => {
    requireInside(name);
    const file = await source.open({ name, optional }, (received, fromCache) => meter.bytes(name, received, fromCache));
    if (file && file.size > FILE_CAP) throw tooBig(name, file.size);
    return { name, file, bytes: file && !isWeights(name) ? await file.read() : undefined };
  };
  for (const { name, file, bytes } of await Promise.all(wanted.map(open))) {
    if (bytes) checkpoint.add(name, bytes);
    else if (file) weights.set(name, file);
    else checkpoint.addMissing(name);
  }
}

async function addWeights(weights: Map<string, OpenFile>, checkpoint: Checkpoint, meter: LoadMeter): Promise<void> {
  const total = [...weights.values()].reduce((sum, file) => sum + file.size, 0);
  if (total > FILE_CAP) throw tooBig("the checkpoint", total);
  meter.expect([...weights].map(([name, file]) => [name, file.size]));
  for (const [name, file] of weights) {
    checkpoint.add(name, await file.read());
    weights.delete(name);
  }
}

/** Names come from the checkpoint's own files, which anyone may have made. */
function requireInside(name: string): void {
  const isPlain = (part: string) => part !== "" && part !== "." && part !== "..";
  if (name.split("/").every(isPlain) && !/[\\:?#\u0000-\u001f]/.test(name)) return;
  throw new RerankerError({ code: "CHECKPOINT_INVALID", message: `the checkpoint names the file ${JSON.stringify(name)}, which is outside its folder` });
}

/** Files that the page gave. */
export class GivenFiles implements FileSource {
  constructor(private readonly files: Record<string, Blob>) {}

  async open({ name }: WantedFile, onBytes: OnBytes): Promise<OpenFile | undefined> {
    const blob = Object.hasOwn(this.files, name) ? this.files[name] : undefined;
    return blob && { size: blob.size, read: () => readBlob(blob, onBytes) };
  }
}

async function readBlob(blob: Blob, onBytes: OnBytes): Promise<Bytes> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  onBytes(bytes.length, false);
  return bytes;
}
