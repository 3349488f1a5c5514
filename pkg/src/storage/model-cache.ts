/**
 * What becomes of a version of a model that is fetched.
 *
 * A version is a set of the content store: its files, and those that the folder does not have. While it is fetched it is open; once all of it is there it may
 * be tried; once the engine has accepted it, it is the current one and takes the place of the one before. If a model had to be converted, its set is the bundle
 * that was made here.
 */

import type { Bytes } from "../files.js";
import type { Warning } from "../types.js";
import { blobsOf, type Entry, newSet, type StoredSet } from "./content-store.js";
import { type About, identify, type ModelPlace, type ModelStore, openStore } from "./stored-models.js";

/** Versions of one model that stay. */
const VERSIONS = 2;

/** How often a version that the engine has neither accepted nor refused is taken to it. */
const TRIALS = 2;

export class ModelCache {
  private constructor(
    private readonly store: ModelStore,
    private readonly key: string,
    private readonly about: About,
    private readonly onFailure: (error: unknown) => Promise<void>,
  ) {}

  /** Throws where the browser denies storage. `onFailure` hears the first write that fails, and is waited for; nothing of the new version is kept then. */
  static async open(place: ModelPlace, onFailure: (error: unknown) => Promise<void> = async () => {}): Promise<ModelCache> {
    const [store, { key, about }] = await Promise.all([openStore(), identify(place)]);
    return new ModelCache(store, key, about, onFailure);
  }

  /** Runs a load's part that reads and writes. */
  hold<T>(task: () => Promise<T>): Promise<T> {
    return this.store.hold(task);
  }

  /** So that of several tabs one fetches, and the others read what it stored. */
  oneAtATime<T>(task: () => Promise<T>): Promise<T> {
    return this.store.oneAtATime(this.key, task);
  }

  /** The version that the engine has accepted. */
  async current(): Promise<KeptVersion | undefined> {
    const set = await this.store.current(this.key);
    return set && new KeptVersion(this.store, set, this.onFailure);
  }

  /**
   * A version that is all there and was neither accepted nor refused. It may have killed the engine, so it is given up after some trials, unless one is under
   * way or this is to be a load's second one.
   */
  async untried(resume: boolean): Promise<KeptVersion | undefined> {
    const set = await this.store.unfinished(this.key);
    if (!set || set.about.trials === 0) return undefined;
    if (set.about.trials >= TRIALS && !resume && !(await this.store.isInTrial(set.id))) return undefined;
    set.about.trials++;
    await this.store.update(set).catch(() => false);
    return new KeptVersion(this.store, set, this.onFailure);
  }

  /** A new version, to be filled. With `reuse` what is there may be taken for it where it is the same. */
  async begin(reuse: boolean): Promise<NewVersion> {
    const [current, open] = await Promise.all([this.store.current(this.key), this.store.unfinished(this.key)]);
    const spare = reuse && open?.about.trials === 0 ? { ...open.spare, ...open.entries } : {};
    const version = new NewVersion(this.store, newSet(this.key, this.about, spare), this.onFailure, reuse ? { ...current?.entries, ...spare } : undefined);
    await version.begin();
    return version;
  }

  /** Frees what no version needs, unless some load is reading or writing; that load does it then. */
  async collect(): Promise<void> {
    await this.store.collect().catch(() => {});
  }
}

/** A version as it is in this browser. */
export class KeptVersion {
  constructor(
    protected readonly store: ModelStore,
    protected readonly set: StoredSet<About>,
    protected readonly onFailure: (error: unknown) => Promise<void>,
  ) {}

  get id(): string {
    return this.set.id;
  }

  /** What there was to warn of when it was fetched. */
  get warnings(): Warning[] {
    return this.set.about.warnings ?? [];
  }

  /** Null when the folder was found not to have the file, undefined when nothing is known of it. */
  entry(name: string): Entry | null | undefined {
    return Object.hasOwn(this.set.entries, name) ? this.set.entries[name] : undefined;
  }

  /** Undefined when the bytes are not there, or not those that were stored. */
  read(entry: Entry): Promise<Bytes | undefined> {
    return this.store.read(entry.sha256);
  }

  /** Says that the engine is about to show whether it takes it, until the answer is called. */
  trial(): Promise<() => void> {
    return this.store.trial(this.set.id);
  }

  /** The engine took it: it is the current version from now on, and older ones go. */
  async accept(): Promise<void> {
    try {
      if (!(await this.store.publish(this.set))) return;
    } catch (error) {
      await this.discard().catch(() => false);
      return this.onFailure(error);
    }
    await this.store.touch(this.set.key);
    await this.#prune().catch(() => {});
  }

  async discard(): Promise<void> {
    await this.store.drop(({ id }) => id === this.set.id);
  }

  async #prune(): Promise<void> {
    const family = (await this.store.list()).filter(({ set }) => set.about.family === this.set.about.family && set.key !== this.set.key);
    const old = family.filter(({ isCurrent }) => isCurrent).sort((a, b) => b.used - a.used).slice(VERSIONS - 1);
    const keys = old.map(({ set }) => set.key);
    await this.store.drop(({ key }) => keys.includes(key));
  }
}

/** A version that is being fetched or made. Once a write has failed it keeps nothing, and the load goes on without. */
export class NewVersion extends KeptVersion {
  #failed = false;

  constructor(
    store: ModelStore,
    set: StoredSet<About>,
    onFailure: (error: unknown) => Promise<void>,
    private readonly earlier: StoredSet<About>["entries"] | undefined,
  ) {
    super(store, set, onFailure);
  }

  async begin(): Promise<void> {
    await this.#write(async () => (await this.store.begin(this.set), true));
  }

  /** Whether there are files that may be taken for those of this version. */
  get hasEarlier(): boolean {
    return Object.keys(this.earlier ?? {}).length > 0;
  }

  /** An earlier copy of a file that the server says has not changed. */
  earlierCopy(name: string, version: string | undefined): Entry | undefined {
    const entry = this.earlier && Object.hasOwn(this.earlier, name) ? this.earlier[name] : undefined;
    return entry && version !== undefined && entry.version === version ? entry : undefined;
  }

  /** The bytes with this hash, from whatever version of whatever model. */
  async bytesOf(hash: string): Promise<Bytes | undefined> {
    return this.earlier && this.store.read(hash);
  }

  /** Without bytes for what is stored already. */
  async keep(name: string, entry: Entry, bytes: Bytes | undefined): Promise<void> {
    await this.#write(() => this.store.add(this.set, name, entry, bytes));
  }

  async keepAbsent(name: string): Promise<void> {
    this.set.entries[name] = null;
    await this.#write(() => this.store.update(this.set));
  }

  /** All of it is there, and goes to the engine. */
  async finish(commit: string | undefined, warnings: Warning[]): Promise<void> {
    this.set.about = { ...this.set.about, ...(commit !== undefined && { commit }), ...(warnings.length > 0 && { warnings }), trials: 1 };
    this.set.spare = {};
    await this.#write(() => this.store.update(this.set));
  }

  /** It will not be finished now: it stays for a later load to go on with, if anything has come. */
  async leave(): Promise<void> {
    if (blobsOf(this.set).length === 0) await this.discard().catch(() => false);
  }

  override async accept(): Promise<void> {
    if (!this.#failed) await super.accept();
  }

  /** Once somebody has dropped this version from the storage, nothing more of it is kept. */
  async #write(write: () => Promise<boolean>): Promise<void> {
    if (this.#failed) return;
    try {
      this.#failed = !(await write());
    } catch (error) {
      this.#failed = true;
      await this.discard().catch(() => false);
      await this.onFailure(error);
    }
  }
}

/** The address of a file below a folder whose path ends in `/`; the folder's own query stays. */
export function fileUrl(folder: string, name: string): string {
  const url = new URL(folder);
  url.pathname += name.split("/").map(encodeURIComponent).join("/");
  return url.href;
}
