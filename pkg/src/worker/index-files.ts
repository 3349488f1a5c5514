/** The files of an index: out of memory, out of this browser's storage, or from the server. Whoever takes them checks them; what is right is then kept. */

import { RerankerError } from "../error.js";
import type { Bytes } from "../files.js";
import type { IndexLocation } from "../protocol.js";
import type { IndexCache } from "../storage/index-cache.js";
import { fileUrl } from "../storage/model-cache.js";
import { ask } from "./answers.js";
import { PAGE } from "./contents.js";
import { addressError, Download, statusError, withRetries } from "./download.js";
import type { IndexPart } from "./engine.js";
import { HeldParts } from "./held-parts.js";

const MANIFEST = "index.json";

/** As of the engine: room for some hundred thousand parts. */
const MANIFEST_LIMIT = 16 * 1024 * 1024;

const UNREACHABLE = ["NETWORK", "OFFLINE_NOT_CACHED"];

const FOLDER_HINT = "Check the address of the index's folder, which holds an index.json.";

const PART_HINT = "Where the index was built anew, open it again; else upload its folder as a whole.";

/** A part, and whether the server was asked for it. */
export interface FoundPart {
  bytes: Bytes;
  from: "memory" | "storage" | "server";
}

export class IndexFiles {
  readonly #held = new HeldParts();
  /** What is under way: a part is asked for once, whoever waits for it. */
  readonly #coming = new Map<string, Promise<FoundPart>>();

  /** Without `cache` nothing is kept in this browser. */
  constructor(
    private readonly location: IndexLocation,
    private readonly cache: IndexCache | undefined,
  ) {}

  /** As the server has it now, or where that cannot be reached as it was kept. */
  async manifest(): Promise<Bytes> {
    try {
      return await withRetries(() => this.#fetchManifest());
    } catch (error) {
      const isUnreachable = error instanceof RerankerError && UNREACHABLE.includes(error.code);
      const kept = isUnreachable ? await this.cache?.manifest().catch(() => undefined) : undefined;
      if (!kept) throw error;
      return kept;
    }
  }

  /** The state that parts are of. */
  async adopt(manifest: Bytes, parts: readonly IndexPart[]): Promise<void> {
    await this.cache?.adopt(manifest, Object.fromEntries(parts.map((part) => [part.file, part])));
  }

  find(part: IndexPart): Promise<FoundPart> {
    const coming = this.#coming.get(part.file) ?? this.#find(part).finally(() => this.#coming.delete(part.file));
    this.#coming.set(part.file, coming);
    return coming;
  }

  /** Past the HTTP cache, which may hold something else. */
  async again(part: IndexPart): Promise<FoundPart> {
    return { bytes: await this.#fetch(part, "reload"), from: "server" };
  }

  /** A part that was found right; with `pinned` it is never asked for again. */
  async keep(part: IndexPart, { bytes, from }: FoundPart, pinned: boolean): Promise<void> {
    if (pinned) this.#held.pin(part.file, bytes);
    else this.#held.add(part.file, bytes);
    if (from === "server") await this.cache?.keep(part, bytes);
  }

  async #find(part: IndexPart): Promise<FoundPart> {
    const held = await this.#held.get(part.file);
    if (held) return { bytes: held, from: "memory" };
    const kept = await this.cache?.read(part).catch(() => undefined);
    if (kept) return { bytes: kept, from: "storage" };
    return { bytes: await this.#fetch(part, "default"), from: "server" };
  }

  #fetch(part: IndexPart, httpCache: RequestCache): Promise<Bytes> {
    return withRetries(() => this.#tryToFetch(part, httpCache));
  }

  async #tryToFetch({ file, bytes }: IndexPart, httpCache: RequestCache): Promise<Bytes> {
    const url = fileUrl(this.location.url, file);
    const download = await Download.start(url, { headers: this.location.headers, cache: httpCache });
    if (download.status === 200 && !/^text\/html/i.test(download.headers.get("content-type") ?? "")) return (await download.take(bytes, () => {})).slice();
    download.cancel();
    if (download.status !== 200) throw statusError(url, download.status, PART_HINT);
    throw addressError("INTEGRITY_FAILED", url, `holds ${PAGE.what}`, { hint: PART_HINT });
  }

  async #fetchManifest(): Promise<Bytes> {
    const url = fileUrl(this.location.url, MANIFEST);
    const answer = await ask(MANIFEST, url, { headers: this.location.headers, cache: "no-cache" });
    if (!(answer instanceof Download)) throw ofFolder(answer.error);
    const bytes = await answer.peek(MANIFEST_LIMIT + 1);
    if (bytes.length <= MANIFEST_LIMIT) return bytes.slice();
    answer.cancel();
    throw addressError("INTEGRITY_FAILED", url, `has more than ${MANIFEST_LIMIT.toLocaleString("en")} bytes, which no manifest has`);
  }
}

/** The hints of a file that is missing or something else speak of models. */
function ofFolder(error: RerankerError): RerankerError {
  const { code, message, retryable, details } = error;
  const hint = code === "NETWORK" ? error.hint : FOLDER_HINT;
  return new RerankerError({ code, message, retryable, ...(hint !== undefined && { hint }), ...(details && { details }) }, { cause: error });
}
