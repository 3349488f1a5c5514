/** Cache Storage and Web Locks in memory, for any number of tabs. Entries are kept as bytes, so that tests can damage them. */

import { vi } from "vitest";

interface Entry {
  bytes: Uint8Array<ArrayBuffer>;
  headers: [string, string][];
}

/** A version as its record has it. */
interface StoredSet {
  about: { dtype?: string; revision: string };
  entries: Record<string, { sha256: string; bytes: number } | null>;
}

const BLOBS = "https://storage.invalid/blobs/";
const SETS = "https://storage.invalid/sets/";

export class FakeCache {
  readonly entries: Map<string, Entry>;
  /** Makes `put` fail for addresses it is true for. */
  refuse: (url: string) => boolean = () => false;
  /** Called before each step; may throw, or never end, as in a tab that is closed. */
  beforeStep: (step: string, url: string) => void | Promise<void> = () => {};

  constructor(entries = new Map<string, Entry>()) {
    this.entries = entries;
  }

  async match(url: string): Promise<Response | undefined> {
    await this.beforeStep("match", url);
    const entry = this.entries.get(url);
    return entry && new Response(entry.bytes.slice(), { headers: entry.headers });
  }

  /** As in Chromium, what the address held is gone before the new entry is there. */
  async put(url: string, response: Response): Promise<void> {
    const bytes = new Uint8Array(await response.arrayBuffer());
    await this.beforeStep("put", url);
    if (this.refuse(url)) throw new DOMException("no room", "QuotaExceededError");
    this.entries.delete(url);
    await this.beforeStep("write", url);
    this.entries.set(url, { bytes, headers: [...response.headers] });
  }

  async delete(url: string): Promise<boolean> {
    await this.beforeStep("delete", url);
    return this.entries.delete(url);
  }

  async keys(): Promise<{ url: string }[]> {
    await this.beforeStep("keys", "");
    return [...this.entries.keys()].map((url) => ({ url }));
  }

  /** The sets that are stored, current and open ones. */
  get sets(): StoredSet[] {
    const records = [...this.entries].filter(([url]) => url.startsWith(SETS));
    return records.map(([, { bytes }]) => JSON.parse(new TextDecoder().decode(bytes)) as StoredSet);
  }

  /** The names of all stored files. */
  get names(): string[] {
    return this.sets.flatMap(({ entries }) => Object.keys(entries).filter((name) => this.entries.has(BLOBS + entries[name]?.sha256))).sort();
  }

  get blobs(): string[] {
    return [...this.entries.keys()].filter((url) => url.startsWith(BLOBS));
  }

  /** The address of a stored file. */
  addressOf(name: string): string {
    const address = BLOBS + this.sets.map(({ entries }) => entries[name]?.sha256).find((hash) => hash !== undefined);
    if (!this.entries.has(address)) throw new Error(`${name} is not stored`);
    return address;
  }

  of(name: string): Entry {
    return this.entries.get(this.addressOf(name))!;
  }
}

/** Puts a storage in place of the browser's: a fresh one, or the same in another tab. */
export function stubStorage(cache = new FakeCache()): FakeCache {
  vi.stubGlobal("caches", { open: async () => cache, delete: async () => false });
  return cache;
}

type Task = (lock: object | null) => unknown;

interface Request {
  mode: "shared" | "exclusive";
  tab: FakeTab;
  run(): void;
}

/** The locks of an origin. */
export class FakeLocks {
  readonly held = new Map<string, Request[]>();
  readonly waiting = new Map<string, Request[]>();

  grant(name: string): void {
    const waiting = listOf(this.waiting, name);
    while (waiting[0] && this.isFree(name, waiting[0].mode)) {
      const request = waiting.shift()!;
      listOf(this.held, name).push(request);
      request.run();
    }
  }

  release(name: string, isOver: (request: Request) => boolean): void {
    remove(listOf(this.held, name), isOver);
    this.grant(name);
  }

  isFree(name: string, mode: Request["mode"]): boolean {
    const held = listOf(this.held, name);
    return held.length === 0 || (mode === "shared" && held.every((other) => other.mode === "shared"));
  }
}

/** What one tab asks of them. */
export class FakeTab {
  constructor(
    private readonly locks = new FakeLocks(),
    private readonly enter: (task: () => void) => void = (task) => task(),
  ) {}

  readonly request = (name: string, ...more: [Task] | [{ mode?: "shared"; ifAvailable?: boolean }, Task]): Promise<unknown> => {
    const task = more.at(-1) as Task;
    const { mode = "exclusive", ifAvailable = false } = more.length === 2 ? more[0] : {};
    if (ifAvailable && !this.locks.isFree(name, mode)) return Promise.resolve(task(null));
    return new Promise((resolve, reject) => {
      const request: Request = { mode, tab: this, run: () => this.enter(() => void run()) };
      const run = () =>
        Promise.resolve(task({ name }))
          .finally(() => this.locks.release(name, (other) => other === request))
          .then(resolve, reject);
      listOf(this.locks.waiting, name).push(request);
      this.locks.grant(name);
    });
  };

  close(): void {
    for (const requests of this.locks.waiting.values()) remove(requests, ({ tab }) => tab === this);
    for (const name of this.locks.held.keys()) this.locks.release(name, ({ tab }) => tab === this);
  }
}

function listOf(lists: Map<string, Request[]>, name: string): Request[] {
  if (!lists.has(name)) lists.set(name, []);
  return lists.get(name)!;
}

function remove<T>(list: T[], isChosen: (item: T) => boolean): void {
  for (let index = list.length; index-- > 0; ) if (isChosen(list[index]!)) list.splice(index, 1);
}

/** Gives all that is loaded from now on the locks of this tab. */
export function stubLocks(tab = new FakeTab()): FakeTab {
  vi.stubGlobal("navigator", { locks: tab });
  return tab;
}
