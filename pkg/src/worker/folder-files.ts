/**
 * The files below an address, of one version. A hub's branch is the commit that the first answer names; a manifest vouches for the files it lists; of all else
 * the server is asked once more at the end whether it has it still.
 */

import { type Bytes, MANIFEST } from "../files.js";
import type { FolderLocation } from "../protocol.js";
import type { Entry } from "../storage/content-store.js";
import { hashOf } from "../storage/hash.js";
import { fileUrl, type NewVersion } from "../storage/model-cache.js";
import type { Warning } from "../types.js";
import { ask, type Refusal } from "./answers.js";
import { type FileSource, isInside, isListed, type ListedFile, type OnBytes, type OpenFile, WEIGHTS_AHEAD } from "./checkpoint-source.js";
import { addressError, Download, withRetries } from "./download.js";
import type { WantedFile } from "./engine.js";
import { isWeights, limitOf } from "./file-limits.js";
import { otherForm } from "./other-forms.js";
import { Refusals } from "./refusals.js";
import { MOVED_HINT, RemoteParts } from "./remote-parts.js";
import { headerEnd, PREFIX, safetensorsSize } from "../safetensors.js";

/** Responses that stay open until they are read: over HTTP/1.1 a browser allows six connections to a server. */
const OPEN_RESPONSES = 4;

/** A file as it came, or null where there is none; `isKept` where its bytes are in the storage already. */
type Found = { entry: Entry; isKept: boolean } | null;

export class FolderFiles implements FileSource {
  readonly #found = new Map<string, Found>();
  /** Files that nothing but the server vouches for. */
  readonly #unlisted = new Set<string>();
  /** At which request, counted from 0, each file was asked for last. */
  readonly #turns = new Map<string, number>();
  readonly #refusals: Refusals;
  /** Answers that nobody has asked for yet. */
  readonly #early = new Map<string, Promise<Download | Refusal>>();
  #folder: string;
  #commit: string | undefined;
  #openResponses = 0;
  #requests = 0;

  /** Without `version` nothing is kept. `httpCache` says what the browser's own cache is good for. */
  constructor(
    private readonly location: FolderLocation,
    private readonly version: NewVersion | undefined,
    private readonly httpCache: "default" | "no-cache" | "reload",
    warn: (warning: Warning) => void,
  ) {
    this.#folder = location.url;
    this.#refusals = new Refusals(location, warn);
  }

  /** What the hub's branch or tag stands for, where it says so. */
  get commit(): string | undefined {
    return this.#commit;
  }

  /** All that was warned of. */
  get warnings(): Warning[] {
    return this.#refusals.warnings;
  }

  /**
   * Asks for the manifest, and with `weights` for what takes longest of what it lists: to be called while there is no engine yet that would want them. A body is
   * left where it is until it is read.
   */
  begin(weights: boolean): void {
    const answer = this.#ask(MANIFEST, this.#httpCacheFor(MANIFEST)).then(async (answer) => {
      const manifest = answer instanceof Download ? await answer.peek(limitOf(MANIFEST)) : undefined;
      if (manifest && weights && !this.version?.hasEarlier) for (const name of firstWeights(manifest, this.location.part)) this.#beginWith(name, this.#ask(name, this.httpCache));
      return answer;
    });
    this.#beginWith(MANIFEST, answer);
  }

  /** Ends what was begun and not asked for. */
  end(): void {
    for (const answer of this.#early.values()) void answer.then((download) => download instanceof Download && download.cancel(), () => {});
    this.#early.clear();
  }

  async open(wanted: WantedFile, onBytes: OnBytes): Promise<OpenFile | undefined> {
    if (isListed(wanted)) return { size: wanted.bytes, read: async () => (await this.#listedCopy(wanted, onBytes)) ?? this.#takeListed(wanted, this.httpCache, onBytes) };
    this.#unlisted.add(wanted.name);
    const file = await withRetries(() => this.#tryToOpen(this.#remote(wanted, this.#httpCacheFor(wanted.name), onBytes), wanted.optional));
    if (!file) this.#found.set(wanted.name, null);
    return file;
  }

  async readAnew(wanted: ListedFile, onBytes: OnBytes): Promise<Bytes> {
    return this.#takeListed(wanted, "reload", onBytes);
  }

  async keep(name: string, bytes: Bytes | undefined): Promise<void> {
    const found = this.#found.get(name);
    if (!bytes) await this.version?.keepAbsent(name);
    else if (found) await this.version?.keep(name, found.entry, found.isKept ? undefined : bytes);
  }

  async explained(name: string, error: unknown): Promise<unknown> {
    return (await otherForm(name, (other) => this.#has(other))) ?? this.#refusals.explained(name, error);
  }

  async confirm(): Promise<void> {
    if (await this.hasMoved()) throw addressError("INTEGRITY_FAILED", this.location.url, "changed while its files were fetched", { hint: MOVED_HINT, retryable: true });
  }

  /** Whether the server has something else by now, so that what came may be of two versions. */
  async hasMoved(): Promise<boolean> {
    // An extension's own files change with the extension alone.
    const isServer = this.location.url.startsWith("http");
    if (!isServer || this.#commit !== undefined || this.#found.size < 2) return false;
    const left = new Set([...this.#unlisted].filter((name) => this.#found.has(name)));
    for (let [name] = left; name !== undefined; [name] = left) {
      // Two servers may answer in turn, as while a new version is rolled out: each file is asked for at the other one's turn, so one after the other.
      const due = [...left].find((waiting) => this.#isOtherTurn(waiting));
      left.delete(due ?? name);
      for (const asked of due === undefined ? [name, name] : [due]) if (await withRetries(() => this.#hasChanged(asked))) return true;
    }
    return false;
  }

  #isOtherTurn(name: string): boolean {
    return (this.#requests - (this.#turns.get(name) ?? 0)) % 2 === 1;
  }

  async #hasChanged(name: string): Promise<boolean> {
    const before = this.#found.get(name)?.entry;
    const answer = await this.#request(name, "no-cache");
    if (!(answer instanceof Download)) {
      if (before && answer.verdict !== "absent") throw answer.error;
      return before !== undefined;
    }
    if (before?.sha256 && !isSame(name, before, answer)) return (await hashOf(await answer.takeUpTo(limitOf(name), name, () => {}))) !== before.sha256;
    answer.cancel();
    // What was not hashed is known by its version alone.
    return before === undefined || before.version !== answer.version;
  }

  /** Whatever it holds: of a checkpoint it would be something else. */
  async #has(name: string): Promise<boolean> {
    const answer = await this.#request(name, "default").catch(() => undefined);
    if (answer instanceof Download) answer.cancel();
    return answer instanceof Download || answer?.verdict === "damaged";
  }

  async #listedCopy({ name, bytes: size, sha256 = "" }: ListedFile, onBytes: OnBytes): Promise<Bytes | undefined> {
    const bytes = await this.version?.bytesOf(sha256);
    if (!bytes) return undefined;
    this.#found.set(name, { entry: { sha256, bytes: size }, isKept: true });
    onBytes(bytes.length, true);
    return bytes;
  }

  #takeListed(wanted: ListedFile, httpCache: RequestCache, onBytes: OnBytes): Promise<Bytes> {
    const remote = this.#remote(wanted, httpCache, onBytes);
    this.#found.set(wanted.name, { entry: { sha256: wanted.sha256 ?? "", bytes: wanted.bytes }, isKept: false });
    return withRetries(async () => (await requestFile(remote)).take(wanted.bytes, remote.onBytes));
  }

  #beginWith(name: string, answer: Promise<Download | Refusal>): void {
    this.#early.set(name, answer);
    // It is told to who asks for the file.
    answer.catch(() => {});
  }

  /** A manifest that is older than the files it lists would only lead to wrong hashes. */
  #httpCacheFor(name: string): RequestCache {
    return name === MANIFEST && this.httpCache === "default" ? "no-cache" : this.httpCache;
  }

  #remote({ name }: WantedFile, httpCache: RequestCache, onBytes: OnBytes): Remote {
    const request = () => {
      const early = this.#early.get(name);
      this.#early.delete(name);
      return early ?? this.#ask(name, httpCache);
    };
    const range = (start: number, end: number) => {
      this.#turns.set(name, this.#requests++);
      return Download.start(fileUrl(this.#folder, name), { headers: { ...this.location.headers, range: `bytes=${start}-${end - 1}` }, cache: httpCache });
    };
    return { name, request, range, onBytes: (received) => onBytes(received, false), onKept: (bytes) => onBytes(bytes, true) };
  }

  #ask(name: string, httpCache: RequestCache): Promise<Download | Refusal> {
    this.#turns.set(name, this.#requests);
    return this.#request(name, httpCache);
  }

  async #request(name: string, httpCache: RequestCache): Promise<Download | Refusal> {
    this.#requests++;
    const answer = await ask(name, fileUrl(this.#folder, name), { headers: this.location.headers, cache: httpCache });
    if (name === MANIFEST) this.#pin(answer.commit);
    return answer;
  }

  /** The manifest is asked for first and alone, so all other files are asked for at its commit. */
  #pin(commit: string | undefined): void {
    const folder = commit && this.#folder.replace(/\/resolve\/[^/?]+\//, `/resolve/${commit}/`);
    if (!folder || !folder.includes(`/resolve/${commit}/`)) return;
    this.#folder = folder;
    this.#commit = commit;
  }

  async #tryToOpen(remote: Remote, optional: boolean): Promise<OpenFile | undefined> {
    const answer = await remote.request();
    if (!(answer instanceof Download)) return void this.#refusals.note(remote.name, optional, answer);
    const file = await this.#openAnswer(remote, answer);
    this.#refusals.fileCame();
    return file;
  }

  async #openAnswer(remote: Remote, download: Download): Promise<OpenFile> {
    const copy = this.version?.earlierCopy(remote.name, download.version);
    if (copy) return this.#openCopy(remote, download, copy);
    return isWeights(remote.name) ? this.#openWeights(remote, download) : this.#openWhole(remote, download);
  }

  /** What an earlier load has stored of the same version. */
  #openCopy(remote: Remote, download: Download, entry: Entry): OpenFile {
    download.cancel();
    const read = async () => {
      const bytes = await this.version?.read(entry);
      if (!bytes) return withRetries(async () => this.#taken(remote, await requestFile(remote)));
      this.#found.set(remote.name, { entry, isKept: true });
      remote.onKept(bytes.length);
      return bytes;
    };
    return { size: entry.bytes, read };
  }

  async #openWhole(remote: Remote, download: Download): Promise<OpenFile> {
    const bytes = await this.#taken(remote, download);
    return { size: bytes.length, read: async () => bytes };
  }

  async #openWeights(remote: Remote, first: Download): Promise<OpenFile> {
    const { size, header } = await weightsHeader(first);
    let held: Download | undefined = first;
    if (++this.#openResponses > OPEN_RESPONSES || size > limitOf(remote.name)) {
      first.cancel();
      held = undefined;
    }
    const take = async () => {
      const download = held ?? (await requestFile(remote));
      held = undefined;
      return this.#taken(remote, download, size);
    };
    const { version } = first;
    const open = { download: first, isOpen: held !== undefined, headerBytes: header.length };
    const parts = new RemoteParts({ whole: () => requestFile(remote), range: remote.range }, size, open, remote.onBytes);
    const part = (start: number, end: number) => {
      // Nothing is hashed that does not come as a whole.
      this.#found.set(remote.name, { entry: { sha256: "", bytes: size, ...(version !== undefined && { version }) }, isKept: false });
      return parts.read(start, end);
    };
    return { size, header, read: () => withRetries(take), part, close: () => parts.close() };
  }

  async #taken(remote: Remote, download: Download, size?: number): Promise<Bytes> {
    const { name, onBytes } = remote;
    const bytes = await (size === undefined ? download.takeUpTo(limitOf(name), name, onBytes) : download.take(size, onBytes));
    const { version } = download;
    this.#found.set(remote.name, { entry: { sha256: (await hashOf(bytes)) ?? "", bytes: bytes.length, ...(version !== undefined && { version }) }, isKept: false });
    return bytes;
  }
}

interface Remote {
  name: string;
  request(): Promise<Download | Refusal>;
  range(start: number, end: number): Promise<Download>;
  onBytes(received: number): void;
  /** All bytes came from the storage. */
  onKept(bytes: number): void;
}

async function requestFile(remote: Remote): Promise<Download> {
  const answer = await remote.request();
  if (answer instanceof Download) return answer;
  throw answer.error;
}

async function weightsHeader(download: Download): Promise<{ size: number; header: Bytes }> {
  const end = headerEnd(await download.peek(PREFIX));
  const start = end === undefined ? undefined : await download.peek(end);
  const size = start && safetensorsSize(start);
  if (size === undefined) throw addressError("INTEGRITY_FAILED", download.url, "holds no safetensors header");
  return { size, header: start!.slice(0, end) };
}

/** Whether a file need not be read to be known for the one that came: weights are large, so of them the server's silence is enough. */
function isSame(name: string, before: Entry, now: Download): boolean {
  return before.version === now.version && (now.version !== undefined || isWeights(name));
}

/** Of those that a manifest lists as many as are read at one time; the engine says what is wrong with one that is none. */
function firstWeights(manifest: Bytes, part: FolderLocation["part"]): string[] {
  try {
    const { weights, pages } = JSON.parse(new TextDecoder().decode(manifest)) as Record<"weights" | "pages", { name: string; bytes: number }[]>;
    const first = (part === "pages" ? pages : weights).slice(0, WEIGHTS_AHEAD).filter(({ name, bytes }) => isInside(name) && bytes <= limitOf(name));
    return first.map(({ name }) => name);
  } catch {
    return [];
  }
}
