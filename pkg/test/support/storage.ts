/** Cache Storage in memory. Entries are kept as bytes, so that tests can damage them. */

import { vi } from "vitest";

interface Entry {
  bytes: Uint8Array<ArrayBuffer>;
  headers: [string, string][];
}

export class FakeCache {
  readonly entries = new Map<string, Entry>();
  /** Makes `put` fail for addresses it is true for. */
  refuse: (url: string) => boolean = () => false;

  async match(url: string): Promise<Response | undefined> {
    const entry = this.entries.get(url);
    return entry && new Response(entry.bytes.slice(), { headers: entry.headers });
  }

  async put(url: string, response: Response): Promise<void> {
    if (this.refuse(url)) throw new DOMException("no room", "QuotaExceededError");
    this.entries.set(url, { bytes: new Uint8Array(await response.arrayBuffer()), headers: [...response.headers] });
  }

  async delete(request: string | { url: string }): Promise<boolean> {
    return this.entries.delete(typeof request === "string" ? request : request.url);
  }

  async keys(): Promise<{ url: string }[]> {
    return [...this.entries.keys()].map((url) => ({ url }));
  }

  /** The entry of a file in the folder that the tests load. */
  of(name: string): Entry {
    const found = [...this.entries].find(([url]) => new URL(url).pathname === `/model/${name}`);
    if (!found) throw new Error(`${name} is not stored`);
    return found[1];
  }
}

/** Puts a fresh storage in place of the browser's. */
export function stubStorage(): FakeCache {
  const cache = new FakeCache();
  vi.stubGlobal("caches", { open: async () => cache });
  return cache;
}
