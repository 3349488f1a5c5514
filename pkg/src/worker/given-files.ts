/** The files that the page gave, by their path in the checkpoint's folder. */

import { type ErrorCode, RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import type { FileSource, OnBytes, OpenFile } from "./checkpoint-source.js";
import { foundInstead, START } from "./contents.js";
import type { WantedFile } from "./engine.js";
import { codeOf } from "./failure.js";
import { isWeights, requireSize } from "./file-limits.js";
import { adapterBeside, otherForm } from "./other-forms.js";
import { headerEnd, PREFIX } from "../safetensors.js";

export class GivenFiles implements FileSource {
  constructor(private readonly files: Record<string, Blob>) {}

  async open({ name }: WantedFile, onBytes: OnBytes): Promise<OpenFile | undefined> {
    const blob = this.#of(name);
    if (!blob) return undefined;
    if (isWeights(name) && !this.#of("tabrank.json")) this.#refuseAdapter(name);
    if (!isWeights(name)) requireSize(name, blob.size);
    await requireRight(name, blob);
    if (!isWeights(name)) return { size: blob.size, read: () => readBlob(blob, onBytes) };
    const header = await bytesOf(blob.slice(0, headerEnd(await bytesOf(blob.slice(0, PREFIX))) ?? START));
    return { size: blob.size, header, read: () => readBlob(blob, onBytes), part: partsOf(blob, header.length, onBytes) };
  }

  async explained(name: string, error: unknown): Promise<unknown> {
    const other = await otherForm(name, async (file) => this.#of(file) !== undefined);
    return other ?? this.#behindFolder(name, codeOf(error)) ?? error;
  }

  /** One beside the weights changes them. */
  #refuseAdapter(weights: string): void {
    const adapter = weights.replace(/[^/]*$/, "adapter_config.json");
    if (this.#of(adapter)) throw adapterBeside(adapter);
  }

  #of(name: string): Blob | undefined {
    return Object.hasOwn(this.files, name) ? this.files[name] : undefined;
  }

  /** Pickers of files give paths from the folder that was picked on. */
  #behindFolder(name: string, code: ErrorCode | undefined): RerankerError | undefined {
    const path = Object.keys(this.files).find((given) => given.endsWith(`/${name}`));
    if (path === undefined || code === undefined) return undefined;
    const folder = JSON.stringify(path.slice(0, -name.length));
    const message = `source has no ${JSON.stringify(name)}, but ${JSON.stringify(path)}`;
    return new RerankerError({ code, message, hint: `Files go by their path in the checkpoint's folder: take ${folder} off their names.` });
  }
}

/** Says of a file that is something else what it is, before it is read. */
async function requireRight(name: string, blob: Blob): Promise<void> {
  const found = foundInstead(name, await bytesOf(blob.slice(0, START)));
  if (!found) return;
  const { what, hint = "Check that it is the file itself." } = found;
  throw new RerankerError({ code: "INTEGRITY_FAILED", message: `source[${JSON.stringify(name)}] holds ${what}`, hint });
}

/** Reads one part after the other; the header has come. */
function partsOf(blob: Blob, headerBytes: number, onBytes: OnBytes): (start: number, end: number) => Promise<Bytes> {
  let received = headerBytes;
  return async (start, end) => {
    const bytes = await bytesOf(blob.slice(start, end));
    onBytes((received += bytes.length), false);
    return bytes;
  };
}

async function bytesOf(blob: Blob): Promise<Bytes> {
  return new Uint8Array(await blob.arrayBuffer());
}

async function readBlob(blob: Blob, onBytes: OnBytes): Promise<Bytes> {
  const bytes = await bytesOf(blob);
  onBytes(bytes.length, false);
  return bytes;
}
