/**
 * What was not had of a folder. An optional file that is kept back counts as absent, with a warning, but only where the folder is known to be readable: the first
 * files that are asked for are optional, and where the whole folder is refused, the error speaks of the folder and not of them.
 */

import { RerankerError } from "../error.js";
import type { FolderLocation } from "../protocol.js";
import { redacted } from "../redacted.js";
import type { Warning } from "../types.js";
import type { HubCode, Refusal } from "./answers.js";
import { codeOf } from "./failure.js";

const HUB_REASONS: Record<HubCode, string> = {
  GatedRepo: "its owner asks visitors to accept terms",
  RepoNotFound: "there is no such model, or it is private",
  RevisionNotFound: "it has no such revision",
};

export class Refusals {
  /** All that was warned of. */
  readonly warnings: Warning[] = [];
  readonly #noted = new Map<string, Refusal>();
  #isReadable = false;

  constructor(
    private readonly location: FolderLocation,
    private readonly warn: (warning: Warning) => void,
  ) {}

  /** A file has come, so that others may be taken for absent. */
  fileCame(): void {
    if (this.#isReadable) return;
    this.#isReadable = true;
    for (const name of this.#noted.keys()) this.#tell(name);
  }

  /** Notes an answer that is not the file; throws where the file cannot be taken for absent. */
  note(name: string, optional: boolean, refusal: Refusal): void {
    const { verdict, error, hubCode } = refusal;
    if (verdict === "damaged") throw error;
    if (hubCode !== undefined || (!optional && verdict === "unknown")) throw this.#isReadable ? error : this.#ofFolder(name, refusal);
    this.#noted.set(name, refusal);
    if (this.#isReadable) this.#tell(name);
  }

  /** The engine's error about a file that it cannot do without, with what the server said. */
  explained(name: string, error: unknown): unknown {
    const noted = this.#noted.get(name);
    const code = codeOf(error);
    if (!noted || code === undefined) return error;
    // An index is asked for only where there is no file of all weights, as far as could be told.
    const whole = this.#noted.get(name.replace(/\.index\.json$/, ""));
    const told = [whole, noted].find((refusal) => refusal && (refusal.verdict === "unknown" || refusal.error.code !== "HTTP_STATUS"));
    if (told) return told.error;
    if (!this.#isReadable) return this.#ofFolder(name, noted);
    const message = `${(error as Error).message}: ${noted.error.message}`;
    return new RerankerError({ code, message, ...(noted.error.details && { details: noted.error.details }) }, { cause: error });
  }

  #tell(name: string): void {
    const noted = this.#noted.get(name);
    if (noted?.verdict !== "unknown") return;
    const message = `${name} counts as absent: ${noted.error.message}. If the folder does have this file, scores are not what they should be.`;
    this.warnings.push({ code: "FILE_REFUSED", message });
    this.warn(this.warnings.at(-1)!);
  }

  #ofFolder(name: string, { error, hubCode }: Refusal): RerankerError {
    const { url, source, hub, revision } = this.location;
    const status = error.details?.status;
    if (status === undefined || (hub === undefined && status === 404)) return error;
    const folder = `${redacted(url)} does not give its files`;
    const model = `${new URL(url).host} does not give the model ${source} at revision ${revision}`;
    const reason = hubCode === undefined ? "" : ` (${HUB_REASONS[hubCode]})`;
    const message = `${hub === undefined ? folder : model}${reason}: status ${status} for ${name}`;
    return new RerankerError({ code: error.code, message, hint: this.#hint(hubCode), ...(error.details && { details: error.details }) }, { cause: error });
  }

  #hint(hubCode: HubCode | undefined): string {
    const { hub, headers } = this.location;
    if (hubCode === "RevisionNotFound") return "Check `revision`: a branch, a tag or a commit.";
    const isHub = hub !== undefined;
    const check = isHub ? "Check the model's id and `revision`" : "Check the address of the checkpoint's folder";
    if (headers["authorization"] !== undefined) return `${check}, and whether the credentials in \`headers\` may read ${isHub ? "the model" : "it"}.`;
    const gated = isHub ? "For a private model, or one whose terms have to be accepted first, pass a token" : "If it needs credentials, pass them";
    return `${check}. ${gated}: headers: { authorization: "Bearer …" }.`;
  }
}
