/**
 * The models that stay in this browser (Cache Storage).
 *
 * Each file is an entry under its address plus the model's key, with the SHA-256 of its bytes in a header; a file that the folder does not have is an entry
 * too, so that an offline load need not ask. The mark, an entry without a file's name that lists the others, is written once the engine has accepted the
 * whole checkpoint: entries of a model without the mark are not used by later loads, so a bad download is never kept; files that a
 * manifest lists are the exception, since the engine checks them. A model that was asked for in a type of weights has a key of its own. If it had to be
 * converted, its files are marked as made here: the folder does not have them.
 */

import { type Bytes, MANIFEST } from "../files.js";
import type { Dtype } from "../types.js";

const CACHE = "tabrank-v1";
const KEY_PARAMETER = "tabrank-model";
const HASH = "x-tabrank-sha256";
const SIZE = "x-tabrank-bytes";
const ABSENT = "x-tabrank-absent";
const MADE = "x-tabrank-made";

/** What tells a stored model from all others. */
export interface ModelPlace {
  url: string;
  revision: string;
  /** The type of weights that was asked for, if one was. */
  dtype?: Dtype | undefined;
}

export interface StoredFile {
  size: number;
  /** Undefined when the bytes are not those that were stored. */
  read(): Promise<Bytes | undefined>;
}

export class ModelCache {
  /** Names the model among all that are stored. */
  readonly key: string;
  readonly #folder: string;
  readonly #cache: Cache;

  readonly #onFailure: (error: unknown) => Promise<void>;
  readonly #names = new Set<string>();
  #changed = false;
  #failed = false;

  private constructor({ url, revision, dtype }: ModelPlace, cache: Cache, onFailure: (error: unknown) => Promise<void>) {
    // A folder's address has no fragment.
    this.key = dtype ? `${url}#${dtype}@${revision}` : `${url}@${revision}`;
    this.#folder = url;
    this.#cache = cache;
    this.#onFailure = onFailure;
  }

  /** Throws where the browser denies storage. `onFailure` hears the first write that fails, and is waited for; nothing of the model is kept then. */
  static async open(place: ModelPlace, onFailure: (error: unknown) => Promise<void> = async () => {}): Promise<ModelCache> {
    return new ModelCache(place, await caches.open(CACHE), onFailure);
  }

  async isAccepted(): Promise<boolean> {
    return (await this.#match("")) !== undefined;
  }

  /** Accepted, and nothing of it is missing. */
  async isWhole(): Promise<boolean> {
    const mark = await this.#match("");
    const names: string[] | undefined = await mark?.json().catch(() => undefined);
    const found = await Promise.all((names ?? []).map((name) => this.#match(name)));
    return names !== undefined && found.every((response) => response !== undefined);
  }

  /** There is a manifest, with some or all of the folder's files that it lists. */
  async holdsBundle(): Promise<boolean> {
    const manifest = await this.find(MANIFEST);
    return manifest !== undefined && manifest !== "absent";
  }

  /** The folder's file as stored, `"absent"` when the folder was found not to have it, undefined when nothing is known. */
  async find(name: string): Promise<StoredFile | "absent" | undefined> {
    const response = await this.#match(name);
    if (!response || response.headers.has(MADE)) return undefined;
    this.#names.add(name);
    return response.headers.has(ABSENT) ? "absent" : storedFile(response);
  }

  /** The file as a conversion made it. */
  async findMade(name: string): Promise<StoredFile | undefined> {
    const response = await this.#match(name);
    if (!response?.headers.has(MADE)) return undefined;
    this.#names.add(name);
    return storedFile(response);
  }

  async store(name: string, bytes: Bytes): Promise<void> {
    await this.#put(name, bytes, {});
  }

  async storeMade(name: string, bytes: Bytes): Promise<void> {
    await this.#put(name, bytes, { [MADE]: "1" });
  }

  async storeAbsent(name: string): Promise<void> {
    await this.#write(name, () => this.#cache.put(this.#address(name), new Response(null, { headers: { [ABSENT]: "1" } })));
  }

  /** The engine took the checkpoint that was found and stored here. */
  async accept(): Promise<void> {
    if (this.#changed || !(await this.isAccepted())) {
      await this.#write("", () => this.#cache.put(this.#address(""), Response.json([...this.#names])));
    }
  }

  /** Deletes a damaged file. */
  async drop(name: string): Promise<void> {
    await this.#cache.delete(this.#address(name));
  }

  /** Deletes all of this model; whether there was anything. */
  async discard(): Promise<boolean> {
    const requests = await this.#cache.keys();
    const own = requests.filter((request) => new URL(request.url).searchParams.get(KEY_PARAMETER) === this.key);
    const deleted = await Promise.all(own.map((request) => this.#cache.delete(request)));
    this.#names.clear();
    return deleted.includes(true);
  }

  async #put(name: string, bytes: Bytes, marks: Record<string, string>): Promise<void> {
    await this.#write(name, async () => {
      const headers = { [HASH]: await sha256(bytes), [SIZE]: String(bytes.length), ...marks };
      await this.#cache.put(this.#address(name), new Response(bytes, { headers }));
    });
  }

  async #write(name: string, put: () => Promise<void>): Promise<void> {
    if (this.#failed) return;
    if (name !== "") this.#names.add(name);
    this.#changed = true;
    try {
      await put();
    } catch (error) {
      this.#failed = true;
      await this.discard().catch(() => false);
      await this.#onFailure(error);
    }
  }

  #match(name: string): Promise<Response | undefined> {
    return this.#cache.match(this.#address(name)).catch(() => undefined);
  }

  #address(name: string): string {
    const url = new URL(fileUrl(this.#folder, name));
    url.searchParams.set(KEY_PARAMETER, this.key);
    return url.href;
  }
}

/** The address of a file below a folder whose path ends in `/`; the folder's own query stays. */
export function fileUrl(folder: string, name: string): string {
  const url = new URL(folder);
  url.pathname += name.split("/").map(encodeURIComponent).join("/");
  return url.href;
}

function storedFile(response: Response): StoredFile {
  const hash = response.headers.get(HASH);
  return { size: Number(response.headers.get(SIZE)) || 0, read: () => readChecked(response, hash) };
}

async function readChecked(response: Response, hash: string | null): Promise<Bytes | undefined> {
  const buffer = await response.arrayBuffer().catch(() => undefined);
  if (!buffer) return undefined;
  const bytes = new Uint8Array(buffer);
  return (await sha256(bytes)) === hash ? bytes : undefined;
}

async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
