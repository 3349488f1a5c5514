/** Brings a model's files to the engine, which says from the files it has what it wants next. */

import { RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import { FILE_CAP, tooBig } from "./download.js";
import type { Checkpoint, WantedFile } from "./engine.js";
import { codeOf } from "./failure.js";
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
  /** A listed file's bytes once more, past every copy that may be wrong. */
  readAnew?(wanted: ListedFile, onBytes: OnBytes): Promise<Bytes>;
  /** Hears what the engine has taken: a file's bytes, or that there is no such file. */
  keep?(name: string, bytes: Bytes | undefined): Promise<void>;
  /** Throws where files that no manifest lists may be of two versions. */
  confirm?(): Promise<void>;
}

/**
 * Adds all files that the checkpoint wants. No file's bytes are kept here once the engine has its copy. `mayKeep` is asked before a file goes to the source's
 * `keep`; it may throw, and the manifest is the first file, so a bundle can be refused before the others are fetched.
 */
export async function gather(checkpoint: Checkpoint, source: FileSource, meter: LoadMeter, mayKeep: () => boolean = () => true): Promise<void> {
  await new Gathering(checkpoint, source, meter, mayKeep).all();
}

/** Whether a file is large enough, as a rule, that only its size is asked for at first. */
export function isWeights(name: string): boolean {
  return name.endsWith(".safetensors");
}

/** A file that a manifest lists. */
export type ListedFile = WantedFile & { bytes: number };

export function isListed(file: WantedFile): file is ListedFile {
  return file.bytes !== undefined;
}

class Gathering {
  readonly #weights = new Map<string, OpenFile>();

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly source: FileSource,
    private readonly meter: LoadMeter,
    private readonly mayKeep: () => boolean,
  ) {}

  async all(): Promise<void> {
    for (let wanted = this.checkpoint.wanted(); wanted.length > 0; wanted = this.checkpoint.wanted()) {
      for (const { name } of wanted) requireInside(name);
      const listed = wanted.filter(isListed);
      const unopened = wanted.filter((file) => !this.#weights.has(file.name));
      if (listed.length > 0) await this.#addListed(listed);
      else if (unopened.length > 0) await this.#openAll(unopened);
      else await this.#addWeights();
    }
    if (!this.checkpoint.isBundle) await this.source.confirm?.();
  }

  /** Sizes are known beforehand, so nothing is opened before it is read. Two files are on their way at a time. */
  async #addListed(files: ListedFile[]): Promise<void> {
    this.#expect("the bundle", files.map(({ name, bytes }) => [name, bytes]));
    let next = this.#read(files[0]!);
    for (const [place, file] of files.entries()) {
      const coming = next;
      const following = files[place + 1];
      if (following) next = this.#read(following);
      // Its failure is told when its turn comes.
      next.catch(() => {});
      await this.#takeListed(file, coming);
    }
  }

  async #read(wanted: WantedFile): Promise<Bytes | undefined> {
    const file = await this.source.open(wanted, this.#listener(wanted.name));
    return file?.read();
  }

  /** What is not the listed file is asked for once more: some cache on the way may hold another version of it. */
  async #takeListed(file: ListedFile, coming: Promise<Bytes | undefined>): Promise<void> {
    try {
      await this.#take(file.name, await coming);
    } catch (error) {
      if (codeOf(error) !== "INTEGRITY_FAILED" || !this.source.readAnew) throw error;
      await this.#take(file.name, await this.source.readAnew(file, this.#listener(file.name)));
    }
  }

  /** Weights are opened only, so that every size is known before their bytes are read. */
  async #openAll(wanted: WantedFile[]): Promise<void> {
    const open = async (file: WantedFile) => {
      const opened = await this.source.open(file, this.#listener(file.name));
      if (opened && opened.size > FILE_CAP) throw tooBig(file.name, opened.size);
      return { name: file.name, opened, bytes: opened && !isWeights(file.name) ? await opened.read() : undefined };
    };
    for (const { name, opened, bytes } of await Promise.all(wanted.map(open))) {
      if (opened && !bytes) this.#weights.set(name, opened);
      else await this.#take(name, bytes);
    }
  }

  async #addWeights(): Promise<void> {
    this.#expect("the checkpoint", [...this.#weights].map(([name, file]) => [name, file.size]));
    for (const [name, file] of this.#weights) {
      await this.#take(name, await file.read());
      this.#weights.delete(name);
    }
  }

  #expect(what: string, files: [name: string, size: number][]): void {
    const total = files.reduce((sum, [, size]) => sum + size, 0);
    if (total > FILE_CAP) throw tooBig(what, total);
    this.meter.expect(files);
  }

  /** Nothing is kept before the engine has looked at it. */
  async #take(name: string, bytes: Bytes | undefined): Promise<void> {
    if (bytes) this.checkpoint.add(name, bytes);
    else this.checkpoint.addMissing(name);
    if (this.mayKeep()) await this.source.keep?.(name, bytes);
  }

  #listener(name: string): OnBytes {
    return (received, fromCache) => this.meter.bytes(name, received, fromCache);
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
