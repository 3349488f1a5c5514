/** An index without numbers: its manifest, lists and documents are JSON, and a query's first value names the list that it wants. */

import type { IndexInfo } from "../../src/search.js";
import type { IndexPart, IndexSearch, IndexSettings, SearchIndex } from "../../src/worker/engine.js";
import { engineError, hashOf } from "./engine.js";
import { type Answer, ok } from "./server.js";

interface Manifest {
  info: Omit<IndexInfo, "bytes">;
  codec: string[];
  parts: IndexPart[];
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export class FakeIndex implements SearchIndex {
  readonly #manifest: Manifest;
  readonly #given = new Set<string>();
  /** Searches that were not freed. */
  static open = 0;

  constructor(manifest: Uint8Array) {
    if (!text(manifest).startsWith("{")) throw engineError("INDEX_INVALID", "index.json is no JSON");
    this.#manifest = JSON.parse(text(manifest)) as Manifest;
  }

  get info(): IndexInfo {
    return { ...this.#manifest.info, bytes: this.parts().reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  parts(): IndexPart[] {
    return this.#manifest.parts;
  }

  wanted(): string[] {
    return this.#manifest.codec.filter((file) => !this.#given.has(file));
  }

  check(file: string, bytes: Uint8Array): void {
    const part = this.parts().find((listed) => listed.file === file)!;
    if (hashOf(bytes) !== part.sha256) throw engineError("INTEGRITY_FAILED", `${file} has another hash than index.json says`);
  }

  give(file: string, bytes: Uint8Array): void {
    this.check(file, bytes);
    this.#given.add(file);
  }

  search(query: Float32Array, options: IndexSettings): IndexSearch {
    FakeIndex.open++;
    return new FakeSearch(this, `lists-${query[0]}`, options);
  }

  free(): void {}
}

class FakeSearch implements IndexSearch {
  #wanted: Set<string>;
  readonly #found: [id: string, score: number][] = [];

  constructor(
    private readonly index: FakeIndex,
    list: string,
    private readonly options: IndexSettings,
  ) {
    this.#wanted = new Set([list]);
  }

  wanted(): string[] {
    return [...this.#wanted];
  }

  give(file: string, bytes: Uint8Array): void {
    this.index.check(file, bytes);
    this.#wanted.delete(file);
    const content = JSON.parse(text(bytes)) as string[] | [string, number][];
    if (file.startsWith("lists")) this.#wanted = new Set(content as string[]);
    else this.#found.push(...(content as [string, number][]));
  }

  hits(): { ids: string[]; scores: Float32Array } {
    const best = this.#found.sort(([, a], [, b]) => b - a).slice(0, this.options.topK ?? 10);
    return { ids: best.map(([id]) => id), scores: Float32Array.from(best, ([, score]) => score) };
  }

  free(): void {
    FakeIndex.open--;
  }
}

/** The files of an index: list 1 leads to the documents `a` and `b`, list 2 to `b` and `c`. */
export function indexFiles(info: Partial<IndexInfo> = {}, more: Record<string, unknown> = {}): Record<string, Uint8Array<ArrayBuffer>> {
  const contents = {
    "codec-1": [1],
    "codec-2": [2],
    "lists-1": ["documents-a", "documents-b"],
    "lists-2": ["documents-b", "documents-c"],
    "documents-a": [["page a:page_1", 3]],
    "documents-b": [["b", 5]],
    "documents-c": [["c", 1], ["d", 7]],
    ...more,
  };
  const files = Object.fromEntries(Object.entries(contents).map(([file, content]) => [file, bytesOf(content)]));
  const parts = Object.entries(files).map(([file, bytes]): IndexPart => ({ file, bytes: bytes.length, sha256: hashOf(bytes) }));
  const manifest: Manifest = { info: { documents: 4, tokens: 9, dimension: 2, nbits: 2, centroids: 2, ...info }, codec: ["codec-1", "codec-2"], parts };
  return { "index.json": bytesOf(manifest), ...files };
}

function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;
}

/** As a server answers for them. */
export function served(files: Record<string, Uint8Array<ArrayBuffer>>): Record<string, Answer> {
  return Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, ok(bytes)]));
}
