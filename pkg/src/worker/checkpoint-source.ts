/** Brings a model's files to the engine, which says from the files it has what it wants next. */

import { RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import { hashOf } from "../storage/hash.js";
import type { Checkpoint, WantedFile } from "./engine.js";
import { isWeights, requireFew, requireSize, requireTotal } from "./file-limits.js";
import { codeOf } from "./failure.js";
import type { LoadMeter } from "./load-meter.js";

/** A file whose size is known and whose bytes may still have to come. */
export interface OpenFile {
  size: number;
  read(): Promise<Bytes>;
  /** Of weights all in front of the tensors, where it is at hand before the rest. */
  header?: Bytes;
  /** Bytes from `start` up to `end` of a file with a header, none of them twice. */
  part?(start: number, end: number): Promise<Bytes>;
  /** Nothing more is read of it. */
  close?(): void;
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
  /** The engine's error about a file that is not there, with what the source knows of it. */
  explained?(name: string, error: unknown): Promise<unknown>;
}

/** Bytes and, where it could be computed, their SHA-256. */
interface Hashed {
  bytes: Bytes;
  hash: string | undefined;
}

/** Weights that are open: their parts can be read. */
export type OpenWeights = ReadonlyMap<string, OpenFile>;

/**
 * Adds all files that the checkpoint wants. No file's bytes are kept here once the engine has its copy. `mayKeep` is asked before a file goes to the source's
 * `keep`; it may throw, and the manifest is the first file, so a bundle can be refused before the others are fetched.
 */
export async function gather(checkpoint: Checkpoint, source: FileSource, meter: LoadMeter, mayKeep: () => boolean = () => true): Promise<void> {
  const gathering = new Gathering(checkpoint, source, meter, mayKeep);
  try {
    await gathering.all();
    await gathering.readWeights();
  } finally {
    closeAll(gathering.weights);
  }
  if (!checkpoint.isBundle) await source.confirm?.();
}

/** As {@link gather}, but of a checkpoint's weights the headers alone; what is open is to be closed, and the source to confirm once the rest is read. */
export async function gatherHeaders(checkpoint: Checkpoint, source: FileSource, meter: LoadMeter, mayKeep: () => boolean): Promise<OpenWeights> {
  const gathering = new Gathering(checkpoint, source, meter, mayKeep);
  try {
    await gathering.all();
    return gathering.weights;
  } catch (error) {
    closeAll(gathering.weights);
    throw error;
  }
}

/** Ends what is on its way. */
export function closeAll(weights: OpenWeights): void {
  for (const file of weights.values()) file.close?.();
}

/** A file that a manifest lists. */
export type ListedFile = WantedFile & { bytes: number };

export function isListed(file: WantedFile): file is ListedFile {
  return file.bytes !== undefined;
}

class Gathering {
  /** Opened weights, of which the engine has at most the headers. */
  readonly weights = new Map<string, OpenFile>();
  /** All that was to be kept so far. */
  #kept = Promise.resolve();

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly source: FileSource,
    private readonly meter: LoadMeter,
    private readonly mayKeep: () => boolean,
  ) {}

  async all(): Promise<void> {
    try {
      await this.#all();
    } finally {
      await this.#kept;
    }
  }

  async #all(): Promise<void> {
    for (let wanted = this.checkpoint.wanted(); wanted.length > 0; wanted = this.checkpoint.wanted()) {
      requireFew(wanted.length);
      for (const { name } of wanted) requireInside(name);
      const listed = wanted.filter(isListed);
      const unopened = wanted.filter((file) => !this.weights.has(file.name));
      if (listed.length > 0) await this.#addListed(listed);
      else if (unopened.length > 0) await this.#openAll(unopened);
      else await this.#addHeaders();
    }
  }

  /** The weights as they are. All sizes are known: what does not fit into the memory is refused before it is fetched. */
  async readWeights(): Promise<void> {
    if (this.weights.size > 0) this.checkpoint.requireRoom();
    for (const [name, file] of this.weights) {
      requireSize(name, file.size);
      await this.#take(name, await file.read());
      this.weights.delete(name);
    }
  }

  /** Sizes are known beforehand, so nothing is opened before it is read. What has come is hashed, added and kept while others are on their way. */
  async #addListed(files: ListedFile[]): Promise<void> {
    for (const { name, bytes } of files) requireSize(name, bytes);
    requireTotal("the bundle", files.reduce((sum, { bytes }) => sum + bytes, 0));
    this.meter.expect(files.map(({ name, bytes }) => [name, bytes]));
    const before = placesBefore(files);
    const reads: Promise<Hashed | undefined>[] = [];
    const readBehind = (place: number | undefined, ready: Promise<void>) => {
      for (const [next, file] of files.entries()) {
        if (before[next] !== place) continue;
        reads[next] = ready.then(() => this.#read(file));
        // Its failure is told when its turn comes.
        reads[next].catch(() => {});
      }
    };
    readBehind(undefined, Promise.resolve());
    for (const [place, file] of files.entries()) readBehind(place, this.#keep(file.name, await this.#addRight(file, reads[place]!)));
  }

  async #read(wanted: WantedFile): Promise<Hashed | undefined> {
    const file = await this.source.open(wanted, this.#listener(wanted.name));
    const bytes = await file?.read();
    return bytes && { bytes, hash: await hashOf(bytes) };
  }

  /** What is not the listed file is asked for once more: some cache on the way may hold another version of it. */
  async #addRight(file: ListedFile, coming: Promise<Hashed | undefined>): Promise<Bytes | undefined> {
    try {
      const { bytes, hash } = (await coming) ?? {};
      await this.#add(file.name, bytes, hash);
      return bytes;
    } catch (error) {
      if (codeOf(error) !== "INTEGRITY_FAILED" || !this.source.readAnew) throw error;
      const bytes = await this.source.readAnew(file, this.#listener(file.name));
      await this.#add(file.name, bytes);
      return bytes;
    }
  }

  /** Weights are opened only, so that every size is known before their bytes are read. The first file in the engine's order that fails is told. */
  async #openAll(wanted: WantedFile[]): Promise<void> {
    const opening = wanted.map((file) => this.#open(file));
    for (const { name, opened, bytes } of await allInTurn(opening)) {
      if (opened && !bytes) this.weights.set(name, opened);
      else await this.#take(name, bytes);
    }
  }

  async #open(wanted: WantedFile) {
    const { name } = wanted;
    const opened = await this.source.open(wanted, this.#listener(name));
    if (opened && !opened.header) requireSize(name, opened.size);
    return { name, opened, bytes: opened && !isWeights(name) ? await opened.read() : undefined };
  }

  async #addHeaders(): Promise<void> {
    this.meter.expect([...this.weights].map(([name, file]) => [name, file.size]));
    for (const [name, file] of this.weights) {
      if (file.header) {
        this.checkpoint.addHeader(name, file.header, file.size);
        continue;
      }
      await this.#take(name, await file.read());
      this.weights.delete(name);
    }
  }

  async #take(name: string, bytes: Bytes | undefined): Promise<void> {
    await this.#add(name, bytes);
    await this.#keep(name, bytes);
  }

  async #add(name: string, bytes: Bytes | undefined, hash?: string): Promise<void> {
    if (bytes) this.checkpoint.add(name, bytes, hash);
    else await this.#addMissing(name);
  }

  /** Nothing is kept before the engine has looked at it, and one file after the other. */
  #keep(name: string, bytes: Bytes | undefined): Promise<void> {
    if (this.mayKeep()) this.#kept = this.#kept.then(() => this.source.keep?.(name, bytes));
    return this.#kept;
  }

  async #addMissing(name: string): Promise<void> {
    try {
      this.checkpoint.addMissing(name);
    } catch (error) {
      throw (await this.source.explained?.(name, error)) ?? error;
    }
  }

  #listener(name: string): OnBytes {
    return (received, fromCache) => this.meter.bytes(name, received, fromCache);
  }
}

/** Unlike `Promise.all` it rejects with the failure of the first promise that fails in their order, whichever fails first. */
async function allInTurn<T>(promises: Promise<T>[]): Promise<T[]> {
  for (const promise of promises) promise.catch(() => {});
  const values: T[] = [];
  for (const promise of promises) values.push(await promise);
  return values;
}

/** Of each file, which one has to be kept before it is asked for, so that few are on their way and in memory; undefined where none has to. */
function placesBefore(files: readonly ListedFile[]): (number | undefined)[] {
  const lines = { weights: [] as number[], others: [] as number[] };
  return files.map(({ name }, place) => {
    const kind = isWeights(name) ? "weights" : "others";
    return lines[kind][lines[kind].push(place) - 1 - AHEAD[kind]];
  });
}

/** Listed files that are on their way or wait to be kept: over HTTP/1.1 a browser allows six connections to a server. */
export const WEIGHTS_AHEAD = 2;
const AHEAD = { weights: WEIGHTS_AHEAD, others: 4 };

/** Names come from the checkpoint's own files, which anyone may have made. */
export function isInside(name: string): boolean {
  const isPlain = (part: string) => /^[\w.-]+$/.test(part) && part !== "." && part !== "..";
  return name.length <= LONGEST_NAME && name.split("/").every(isPlain);
}

function requireInside(name: string): void {
  if (isInside(name)) return;
  const shown = JSON.stringify(name.slice(0, LONGEST_NAME));
  throw new RerankerError({ code: "CHECKPOINT_INVALID", message: `the checkpoint names the file ${shown}, which is no file below its folder` });
}

/** Characters of a file's name. */
const LONGEST_NAME = 512;
