/**
 * The side of a model that reads pages, which most who ask it a question never need: it is fetched with the first page, by a worker that stores it and ends, so that
 * questions are answered meanwhile and an abort ends the download. Its files go to the workers that encode, and to each that comes after them.
 */

import { RerankerError } from "../error.js";
import type { GivenLocation, LoadRequest } from "../protocol.js";
import type { Limits, LoadOptions, Progress } from "../types.js";
import { openClient } from "./open-client.js";
import type { Client } from "./worker-client.js";

export interface SideListening {
  signal: AbortSignal | undefined;
  onProgress(progress: Progress): void;
}

type Files = GivenLocation["files"];

export class PageSide {
  readonly #client: Client;
  readonly #fetch: (listening: SideListening) => Promise<Files>;
  #coming: Promise<Files> | undefined;
  #files: Files | undefined;
  #isOpen: boolean;

  /** `isThere`: it came with the rest. */
  constructor(client: Client, isThere: boolean, fetch: (listening: SideListening) => Promise<Files>) {
    this.#client = client;
    this.#isOpen = isThere;
    this.#fetch = fetch;
  }

  /** Whoever encodes has it then. */
  async open(listening: SideListening): Promise<void> {
    if (this.#isOpen) return;
    const files = await this.#all(listening);
    await this.#client.call("openPages", { files }, { signal: listening.signal });
    this.#isOpen = true;
  }

  /** Whoever began to fetch it may have ended it. */
  async #all(listening: SideListening): Promise<Files> {
    while (this.#coming) await Promise.race([this.#coming.catch(() => {}), aborted(listening.signal)]);
    listening.signal?.throwIfAborted();
    this.#coming = this.#files ? Promise.resolve(this.#files) : this.#fetch(listening);
    try {
      return (this.#files = await this.#coming);
    } finally {
      this.#coming = undefined;
    }
  }
}

/** The files of the page side of the model that `load` loads. */
export async function fetchPageSide(load: LoadRequest, limits: Limits, options: LoadOptions, { signal, onProgress }: SideListening): Promise<Files> {
  const { checkpoint } = load;
  if (checkpoint?.kind === "files") return checkpoint.files;
  const { workerUrl, onWarning } = options;
  const request: LoadRequest = { ...load, checkpoint: { ...checkpoint!, part: "pages" }, device: "cpu", resume: false, storeOnly: true, share: true };
  const { client } = await openClient(request, limits, { onProgress, ...(signal && { signal }), ...(workerUrl !== undefined && { workerUrl }), ...(onWarning && { onWarning }) });
  const { copy } = client;
  client.stop(undefined);
  if (copy?.checkpoint?.kind !== "files") throw new RerankerError({ code: "INTERNAL", message: "the page side was fetched, and is not there" });
  return copy.checkpoint.files;
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
}
