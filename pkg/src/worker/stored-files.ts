/** The files of a version that is in this browser: no server is asked. */

import type { Bytes } from "../files.js";
import type { KeptVersion } from "../storage/model-cache.js";
import type { FileSource, OnBytes, OpenFile } from "./checkpoint-source.js";
import type { WantedFile } from "./engine.js";

/** A file cannot be had from the storage: its copy is damaged or gone, or nothing was ever stored of it. */
export class NotStored extends Error {
  constructor(
    readonly file: string,
    readonly wasStored: boolean,
  ) {
    super(`${file} ${wasStored ? "is damaged or gone" : "was not stored"}`);
  }
}

export class StoredFiles implements FileSource {
  /** With `offline` an optional file counts as absent where nothing is known of it: an earlier version of this package did not ask for it. */
  constructor(
    private readonly version: KeptVersion,
    private readonly offline: boolean,
  ) {}

  async open({ name, optional }: WantedFile, onBytes: OnBytes): Promise<OpenFile | undefined> {
    const entry = this.version.entry(name);
    if (entry === undefined && !(this.offline && optional)) throw new NotStored(name, false);
    if (!entry) return undefined;
    const read = async (): Promise<Bytes> => {
      const bytes = await this.version.read(entry);
      if (!bytes) throw new NotStored(name, true);
      onBytes(bytes.length, true);
      return bytes;
    };
    return { size: entry.bytes, read };
  }
}
