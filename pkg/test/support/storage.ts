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
  readonly entries = new Map<string, Entry>();
  /** Makes `put` fail for addresses it is true for. */
  refuse: (url: string) => boolean = () => false;
  /** Called before each step; may throw, or never end, as in a tab that is closed. */
  beforeStep: (step: string, url: string) => void | Promise<void> = () => {};

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

/** Puts a fresh storage in place of the browser's. */
export function stubStorage(): FakeCache {
  const cache = new FakeCache();
  vi.stubGlobal("caches", { open: async () => cache, delete: async () => false });
  return cache;
}

type Task = (lock: object | null) => unknown;

interface Request {
  mode: "shared" | "exclusive";
  tab: object;
  run(): void;
}

/** Locks that several tabs share; a tab that is closed lets go of its own. */
export class FakeLocks {
  readonly #held = new Map<string, Request[]>();
  readonly #waiting = new Map<string, Request[]>();
  /** The tab that asks. */
  tab: object = {};

  readonly request = (name: string, ...more: [Task] | [{ mode?: "shared"; ifAvailable?: boolean }, Task]): Promise<unknown> => {
    const task = more.at(-1) as Task;
    const { mode = "exclusive", ifAvailable = false } = more.length === 2 ? more[0] : {};
    if (ifAvailable && !this.#isFree(name, mode)) return Promise.resolve(task(null));
    return new Promise((resolve, reject) => {
      const request: Request = {
        mode,
        tab: this.tab,
        run: () => {
          const release = () => this.#release(name, (other) => other === request);
          Promise.resolve(task({ name })).then(resolve, reject).finally(release);
        },
      };
      this.#list(this.#waiting, name).push(request);
      this.#grant(name);
    });
  };

  close(tab: object): void {
    for (const requests of this.#waiting.values()) remove(requests, (request) => request.tab === tab);
    for (const name of this.#held.keys()) this.#release(name, (request) => request.tab === tab);
  }

  #release(name: string, isOver: (request: Request) => boolean): void {
    remove(this.#list(this.#held, name), isOver);
    this.#grant(name);
  }

  #grant(name: string): void {
    const waiting = this.#list(this.#waiting, name);
    while (waiting[0] && this.#isFree(name, waiting[0].mode)) {
      const request = waiting.shift()!;
      this.#list(this.#held, name).push(request);
      request.run();
    }
  }

  #isFree(name: string, mode: Request["mode"]): boolean {
    const held = this.#list(this.#held, name);
    return held.length === 0 || (mode === "shared" && held.every((other) => other.mode === "shared"));
  }

  #list(lists: Map<string, Request[]>, name: string): Request[] {
    if (!lists.has(name)) lists.set(name, []);
    return lists.get(name)!;
  }
}

function remove<T>(list: T[], isChosen: (item: T) => boolean): void {
  for (let index = list.length; index-- > 0; ) if (isChosen(list[index]!)) list.splice(index, 1);
}

/** Gives all that is loaded from now on these locks. */
export function stubLocks(): FakeLocks {
  const locks = new FakeLocks();
  vi.stubGlobal("navigator", { locks });
  return locks;
}
