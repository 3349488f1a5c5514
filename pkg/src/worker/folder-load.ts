/**
 * A model's load from an address, by way of this browser's storage. What is stored and whole is loaded without a request; else all of it is fetched as one new
 * version, which takes the old one's place once the engine has accepted it. Until then the old one stays, and only a refusal of the files gives files up.
 */

import { type ErrorCode, RerankerError } from "../error.js";
import type { FolderLocation } from "../protocol.js";
import type { KeptVersion, ModelCache } from "../storage/model-cache.js";
import type { Warning } from "../types.js";
import type { Checkpoint, Engine } from "./engine.js";
import { codeOf } from "./failure.js";
import { FolderFiles } from "./folder-files.js";
import type { Preparation } from "./preparation.js";
import { NotStored, StoredFiles } from "./stored-files.js";

/** Failures that say that the files are no good. */
const REFUSALS = ["CHECKPOINT_INVALID", "CHECKPOINT_UNSUPPORTED", "BUNDLE_INVALID", "BUNDLE_VERSION", "INTEGRITY_FAILED"];

/** Failures that come of a device, once the files were taken. */
const DEVICE_FAILURES = ["DEVICE_REJECTED", "DEVICE_LOST", "TIMEOUT", "WEBGPU_UNAVAILABLE"];

const UNREACHABLE = ["NETWORK", "OFFLINE_NOT_CACHED"];

/** Files that have come, and the version they are of where they are kept. */
interface Loadable<C> {
  checkpoint: C;
  version?: KeptVersion | undefined;
  isStored: boolean;
  /** Ends the trial of a version that nobody has accepted yet. */
  endTrial?: (() => void) | undefined;
}

export class FolderLoad<C extends Checkpoint> {
  /** The version that was found stored, and why it is not used as it is. */
  #problem: { version: KeptVersion; error: unknown } | undefined;

  /** `resume` says that an earlier worker died in the same load. Without a cache nothing is kept. */
  constructor(
    private readonly location: FolderLocation,
    private readonly resume: boolean,
    private readonly cache: ModelCache | undefined,
    private readonly preparation: Preparation<C>,
    private readonly load: (checkpoint: C) => Promise<Engine | void>,
    private readonly warn: (warning: Warning) => void,
  ) {}

  async engine(): Promise<Engine | void> {
    const { cache } = this;
    if (!cache) return this.load((await this.#fetched(undefined)).checkpoint);
    try {
      return await this.#keptEngine(cache);
    } finally {
      await cache.collect();
    }
  }

  async #keptEngine(cache: ModelCache): Promise<Engine | void> {
    const found = await this.#found(cache, this.location.cache === "use", this.resume);
    try {
      return await this.#judged(found);
    } catch (error) {
      if (!found.isStored || !isRefusal(error)) throw error;
      return this.#judged(await this.#found(cache, false, false));
    }
  }

  /** The lock is let go when the files are stored and on trial: what the engine does with them is no other tab's concern. */
  async #found(cache: ModelCache, useStored: boolean, resume: boolean): Promise<Loadable<C>> {
    const current = useStored ? await cache.hold(async () => this.#read(await cache.current())) : undefined;
    if (current) return current;
    return cache.oneAtATime(() =>
      cache.hold(async () => {
        // What another tab has fetched or accepted meanwhile, or an earlier worker of this load. In this order: what is accepted leaves the one for the other.
        const untried = useStored || resume ? await this.#read(await cache.untried(resume)) : undefined;
        const renewed = untried || !useStored ? undefined : await this.#renewed(cache);
        const found = untried ?? renewed ?? (await this.#fetched(cache));
        return { ...found, endTrial: await found.version?.trial() };
      }),
    );
  }

  /** What another tab has accepted since this load has looked. */
  async #renewed(cache: ModelCache): Promise<Loadable<C> | undefined> {
    const current = await cache.current();
    return current?.id === this.#problem?.version.id ? undefined : this.#read(current);
  }

  async #read(version: KeptVersion | undefined, offline = false): Promise<Loadable<C> | undefined> {
    if (!version) return undefined;
    try {
      const checkpoint = await this.preparation.taken(new StoredFiles(version, offline));
      version.warnings.forEach(this.warn);
      return { checkpoint, version, isStored: true };
    } catch (error) {
      if (!(error instanceof NotStored) && !isRefusal(error)) throw error;
      this.#problem = { version, error };
      return undefined;
    }
  }

  async #fetched(cache: ModelCache | undefined): Promise<Loadable<C>> {
    try {
      return await this.#fetchedOnce(cache, this.#problem ? "no-cache" : "default", false);
    } catch (error) {
      return this.#withoutServer(error);
    }
  }

  /** A server that moved on while its files were fetched is asked for all of them once more. */
  async #fetchedOnce(cache: ModelCache | undefined, httpCache: "default" | "no-cache", isLast: boolean): Promise<Loadable<C>> {
    const isReload = this.location.cache === "reload";
    const version = await cache?.begin(!isReload);
    const files = new FolderFiles(this.location, version, isReload ? "reload" : httpCache, this.warn);
    files.begin(this.preparation.takesAnyBundle);
    try {
      const checkpoint = await this.preparation.gathered(files, version);
      await version?.finish(files.commit, files.warnings);
      return { checkpoint, version, isStored: false };
    } catch (error) {
      const mayBeMixed = isRefusal(error) || codeOf(error) === "HTTP_STATUS";
      if (!isLast && mayBeMixed && (await files.hasMoved().catch(() => false))) return this.#fetchedOnce(cache, "no-cache", true);
      await (isRefusal(error) ? this.#refused(version) : version?.leave());
      throw error;
    } finally {
      files.end();
    }
  }

  /** What can be done when files cannot be fetched, and what is stored has a problem. */
  async #withoutServer(error: unknown): Promise<Loadable<C>> {
    const problem = this.#problem;
    if (!problem || !(error instanceof RerankerError)) throw error;
    if (!isOneOf(UNREACHABLE, error)) throw problem.error instanceof NotStored ? afterDamage(problem.error, error) : error;
    if (!(problem.error instanceof NotStored)) throw problem.error;
    const found = await this.#read(problem.version, true);
    if (found) return found;
    const last = this.#problem?.error;
    throw last instanceof NotStored ? afterDamage(last, error, last.wasStored ? "CACHE_CORRUPT_OFFLINE" : "OFFLINE_NOT_CACHED") : last;
  }

  async #judged({ checkpoint, version, isStored, endTrial }: Loadable<C>): Promise<Engine | void> {
    try {
      const engine = await this.load(checkpoint);
      await version?.accept();
      return engine;
    } catch (error) {
      if (isOneOf(DEVICE_FAILURES, error)) await version?.accept();
      if (isRefusal(error) && isStored && version) this.#problem = { version, error };
      else if (isRefusal(error)) await this.#refused(version);
      throw error;
    } finally {
      // Not before it is accepted: else another load would find it neither on trial nor accepted.
      endTrial?.();
    }
  }

  /** A new version that is refused goes; the old one only if it was refused too. */
  async #refused(version: KeptVersion | undefined): Promise<void> {
    await version?.discard();
    if (isRefusal(this.#problem?.error)) await this.#problem?.version.discard();
  }
}

function isRefusal(error: unknown): boolean {
  return isOneOf(REFUSALS, error);
}

function isOneOf(codes: string[], error: unknown): boolean {
  return codes.includes(codeOf(error) ?? "");
}

/** Why a stored version does not do, in front of why it cannot be fetched. */
function afterDamage({ file, wasStored }: NotStored, error: RerankerError, code: ErrorCode = error.code): RerankerError {
  const { retryable, hint, details } = error;
  const found = wasStored ? `the copy of ${file} in this browser's storage is damaged or gone` : `${file} was not stored with the model`;
  const more = code === error.code ? { retryable, ...(hint !== undefined && { hint }) } : {};
  return new RerankerError({ code, message: `${found}; ${error.message}`, ...more, ...(details && { details }) }, { cause: error });
}
