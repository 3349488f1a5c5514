/** The files below an address, and their copies in this browser. */

import { RerankerError } from "../error.js";
import { type Bytes, MANIFEST } from "../files.js";
import type { FolderLocation } from "../protocol.js";
import { fileUrl, type ModelCache, type StoredFile } from "../storage/model-cache.js";
import { type FileSource, isListed, isWeights, type OnBytes, type OpenFile } from "./checkpoint-source.js";
import { Download, FILE_CAP, statusError, withRetries } from "./download.js";
import type { WantedFile } from "./engine.js";
import { headerEnd, safetensorsSize } from "./safetensors.js";

/** Responses that stay open until they are read: over HTTP/1.1 a browser allows six connections to a server. */
const OPEN_RESPONSES = 4;

const HTML_HINT = "The server answered with a web page, perhaps its index.html: check the address of the checkpoint's folder.";
const POINTER_HINT = "The folder holds a Git LFS pointer: fetch the file itself with `git lfs pull`.";

export class FolderFiles implements FileSource {
  readonly #fetched = new Set<string>();
  #openResponses = 0;

  /** Without `cache` nothing is stored; `useStored` tells whether what it holds may be used. A file that a manifest lists may be in any case: it is checked. */
  constructor(
    private readonly location: FolderLocation,
    private readonly cache: ModelCache | undefined,
    private readonly useStored: boolean,
  ) {}

  async open(wanted: WantedFile, onBytes: OnBytes): Promise<OpenFile | undefined> {
    const stored = this.useStored || isListed(wanted) ? await this.cache?.find(wanted.name) : undefined;
    if (stored === "absent") return undefined;
    if (stored) return { size: stored.size, read: () => this.#readStored(wanted, stored, onBytes) };
    return this.#openRemote(wanted, this.#httpCache(wanted), onBytes);
  }

  async readAnew(wanted: WantedFile, onBytes: OnBytes): Promise<Bytes> {
    await this.cache?.drop(wanted.name);
    const file = await this.#openRemote({ ...wanted, optional: false }, "reload", onBytes);
    return file!.read();
  }

  /** What was read from the cache is there already. */
  async keep(name: string, bytes: Bytes | undefined): Promise<void> {
    if (!this.#fetched.has(name)) return;
    await (bytes ? this.cache?.store(name, bytes) : this.cache?.storeAbsent(name));
  }

  async #readStored(wanted: WantedFile, stored: StoredFile, onBytes: OnBytes): Promise<Bytes> {
    const bytes = await stored.read();
    if (!bytes) return this.#replace(wanted, onBytes);
    onBytes(bytes.length, true);
    return bytes;
  }

  async #replace(wanted: WantedFile, onBytes: OnBytes): Promise<Bytes> {
    try {
      return await this.readAnew(wanted, onBytes);
    } catch (error) {
      throw error instanceof RerankerError ? afterDamage(wanted.name, error) : error;
    }
  }

  /** A manifest that is older than the files it lists would only lead to wrong hashes. */
  #httpCache({ name }: WantedFile): RequestCache {
    if (this.location.cache === "reload") return "reload";
    return name === MANIFEST ? "no-cache" : "default";
  }

  async #openRemote(wanted: WantedFile, httpCache: RequestCache, onBytes: OnBytes): Promise<OpenFile | undefined> {
    const url = fileUrl(this.location.url, wanted.name);
    const remote: Remote = {
      name: wanted.name,
      request: () => Download.start(url, { headers: this.location.headers, cache: httpCache }),
      onBytes: (received) => onBytes(received, false),
    };
    this.#fetched.add(wanted.name);
    if (isListed(wanted)) return { size: wanted.bytes, read: () => withRetries(() => takeFile(remote, wanted.bytes)) };
    return withRetries(() => this.#tryToOpen(remote, wanted.optional));
  }

  async #tryToOpen(remote: Remote, optional: boolean): Promise<OpenFile | undefined> {
    const download = await remote.request();
    const refusal = await refusalOf(download);
    if (!refusal) return isWeights(remote.name) ? this.#openWeights(remote, download) : openWhole(remote, download);
    download.cancel();
    if (optional && refusal.fileIsMissing) return undefined;
    throw refusal.error;
  }

  async #openWeights(remote: Remote, first: Download): Promise<OpenFile> {
    const size = await weightsSize(first);
    let held: Download | undefined = first;
    if (++this.#openResponses > OPEN_RESPONSES || size > FILE_CAP) {
      first.cancel();
      held = undefined;
    }
    const take = async () => {
      const download = held ?? (await requestFile(remote));
      held = undefined;
      return download.take(size, remote.onBytes);
    };
    return { size, read: () => withRetries(take) };
  }
}

interface Remote {
  name: string;
  request(): Promise<Download>;
  onBytes(received: number): void;
}

async function openWhole(remote: Remote, download: Download): Promise<OpenFile> {
  const bytes = await download.take(undefined, remote.onBytes);
  return { size: bytes.length, read: async () => bytes };
}

async function takeFile(remote: Remote, size: number): Promise<Bytes> {
  const download = await requestFile(remote);
  return download.take(size, remote.onBytes);
}

async function requestFile(remote: Remote): Promise<Download> {
  const download = await remote.request();
  const refusal = await refusalOf(download);
  if (!refusal) return download;
  download.cancel();
  throw refusal.error;
}

/** Why an answer is not the file, if it is not. Development servers answer a missing file with a page and status 200. */
async function refusalOf(download: Download): Promise<{ fileIsMissing: boolean; error: RerankerError } | undefined> {
  const { url, status } = download;
  if (status < 200 || status > 299) return { fileIsMissing: status === 404 || status === 410, error: statusError(url, status) };
  const start = new TextDecoder().decode((await download.peek(64)).subarray(0, 64));
  if (download.isHtml || /^\s*<(!doctype|html)/i.test(start)) return { fileIsMissing: true, error: notTheFile(url, "a web page (HTML)", HTML_HINT) };
  if (start.startsWith("version https://git-lfs")) return { fileIsMissing: false, error: notTheFile(url, "a Git LFS pointer", POINTER_HINT) };
  return undefined;
}

async function weightsSize(download: Download): Promise<number> {
  const end = headerEnd(await download.peek(8));
  const size = end === undefined ? undefined : safetensorsSize(await download.peek(end));
  if (size === undefined) throw notTheFile(download.url, "no safetensors header");
  return size;
}

function notTheFile(url: string, found: string, hint?: string): RerankerError {
  return new RerankerError({ code: "INTEGRITY_FAILED", message: `${url} holds ${found}`, details: { url }, ...(hint !== undefined && { hint }) });
}

function afterDamage(name: string, error: RerankerError): RerankerError {
  const { code, retryable, hint, details } = error;
  const message = `the copy of ${name} in this browser's storage was damaged and is deleted; ${error.message}`;
  return new RerankerError({ code, message, retryable, ...(hint !== undefined && { hint }), ...(details && { details }) }, { cause: error });
}
