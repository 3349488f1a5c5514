/** Tabs of one origin: each runs its own loads, over the same storage, and may be closed or fail at any step that it takes. */

import { vi } from "vitest";
import { FakeCache, FakeLocks, FakeTab } from "./storage.js";

interface Context<T> {
  run<R>(value: T, task: () => R): R;
  getStore(): T | undefined;
}

declare const process: { getBuiltinModule(name: "node:async_hooks"): { AsyncLocalStorage: new <T>() => Context<T> } };

const here = new (process.getBuiltinModule("node:async_hooks").AsyncLocalStorage)<Tab>();

export class Origin {
  readonly entries: FakeCache["entries"] = new Map();
  readonly locks = new FakeLocks();
  online = true;

  /** Takes the browser's place; `fetch` is that of the server which was stubbed last. */
  constructor() {
    const { online } = { online: () => this.online };
    vi.stubGlobal("navigator", {
      get locks() {
        return here.getStore()?.locks;
      },
      get onLine() {
        return online();
      },
    });
    vi.stubGlobal("caches", { open: async () => here.getStore()!.storage, delete: async () => false });
  }

  /** Requests are steps of the tab that makes them. */
  stubFetch(): void {
    const { fetch } = globalThis;
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
      await here.getStore()!.step("fetch");
      if (!this.online) throw new TypeError("Failed to fetch");
      return fetch(url, init);
    });
  }
}

export class Tab {
  readonly storage: FakeCache;
  readonly locks: FakeTab;
  /** Steps taken: reads and writes of the storage, and requests. */
  steps = 0;
  /** Called before each step, with its number from 1; may throw. */
  beforeStep: (step: number, kind: string) => void | Promise<void> = () => {};
  #closed = false;

  constructor(origin: Origin) {
    this.storage = new FakeCache(origin.entries);
    this.storage.beforeStep = (kind) => this.step(kind);
    this.locks = new FakeTab(origin.locks, (task) => here.run(this, task));
  }

  run<T>(task: () => Promise<T>): Promise<T> {
    return here.run(this, task);
  }

  async step(kind: string): Promise<void> {
    await this.beforeStep(++this.steps, kind);
    if (this.#closed) await new Promise<never>(() => {});
  }

  /** Nothing that runs here goes on. */
  close(): void {
    this.#closed = true;
    this.locks.close();
  }
}
