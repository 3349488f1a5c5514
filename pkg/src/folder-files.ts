/** The files below an address, and their copies in this browser. */

import { type FileSource, isWeights, type OnBytes, type OpenFile } from "./checkpoint-source.js";
import { type Bytes, Download, FILE_CAP, statusError, withRetries } from "./download.js";
import type { WantedFile } from "./engine.js";
import { RerankerError } from "./error.js";
import { fileUrl, type ModelCache, type StoredFile } from "./model-cache.js";
import type { FolderLocation } from "./protocol.js";
import { headerEnd, safetensorsSize } from "./safetensors.js";

/** Responses that stay open until they are read: over HTTP/1.1 a browser allows six connections to a server. */
const OPEN_RESPONSES = 4;

const HTML_HINT = "The server answered with a web page, perhaps its index.html: check the address of the checkpoint's folder.";
const POINTER_HINT = "The folder holds a Git LFS pointer: fetch the file itself with `git lfs pull`.";

export class FolderFiles implements FileSource {
  #openResponses = 0;

  /** Without `cache` nothing is stored; `useStored` tells whether what it holds may be used. */
  constructor(
    private readonly location: FolderLocation,
    private readonly cache: ModelCache | undefined,
    private readonly useStored: boolean,
  ) {}

  async open(wanted: WantedFile, onBytes: OnBytes): Promise<OpenFile | undefined> {
    const stored = this.useStored ? await this.cache?.find(wanted.name) : undefined;
    if (stored === "absent") return undefined;
    if (stored) return { size: stored.size, read: () => this.#readStored(wanted.name, stored, onBytes) };
    return this.#openRemote(wanted, this.location.cache === "reload" ? "reload" : "default", onBytes);
  }

  async #readStored(name: string, stored: StoredFile, onBytes: OnBytes): Promise<Bytes> {
    const bytes = await stored.read();
    if (!bytes) return this.#replace(name, onBytes);
    onBytes(bytes.length, true);
    return bytes;
  }

  async #replace(name: string, onBytes: OnBytes): Promise<Bytes> {
    await this.cache?.drop(name);
    try {
      const file = await this.#openRemote({ name, optional: false }, "reload", onBytes);
      return await file!.read();
    } catch (error) {
      throw error instanceof RerankerError ? afterDamage(name, error) : error;
    }
  }

  async #openRemote({ name, optional }: WantedFile, httpCache: RequestCache, onBytes: OnBytes): Promise<OpenFile | undefined> {
    const url = fileUrl(this.location.url, name);
    const remote: Remote = {
      name,
      request: () => Download.start(url, { headers: this.location.headers, cache: httpCache }),
      onBytes: (received) => onBytes(received, false),
    };
    const file = await withRetries(() => this.#tryToOpen(remote, optional));
    if (!file) await this.cache?.storeAbsent(name);
    return file && { size: file.size, read: () => this.#readRemote(name, file) };
  }

  async #readRemote(name: string, file: OpenFile): Promise<Bytes> {
    const bytes = await file.read();
    await this.cache?.store(name, bytes);
    return bytes;
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

async function requestFile(remote: Remote): Promise<Download> {
  const download = await remote.request();
  const refusal = await refusalOf(download);
  if (refusal) throw refusal.error;
  return download;
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
