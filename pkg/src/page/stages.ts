/** Checks the stages of a pipeline, and tells which model's work each is. */

import type { StageRequest } from "../protocol.js";
import type { CrossEncoderStage, DenseStage, Fusion, LateStage, Stage } from "../ranking.js";
import type { ModelInfo } from "../types.js";
import { type Checks, checked, kind, word } from "./checks.js";
import { itemsOf, MOST_NUMBER, requireBetween, requireFinite, requireKind, requireKnown, requirePositiveInteger, wordsOf } from "./input.js";
import { answerOf, invalid, read } from "./invalid.js";
import { type Own, ownOf } from "./own.js";

const MOST_STAGES = 16;

/** A stage as it was given, but for its model, which was found. */
export type CheckedStage<T> = Stage<T> & { own?: Own };

/** Stages that one model ranks by, one after the other. */
export interface Run<T> {
  own: Own;
  stages: CheckedStage<T>[];
}

type Use = Stage["use"];

/** For what is checked elsewhere. */
const taken = () => {};

const KEEP = { keep: requirePositiveInteger };

const CHECKS: { [S in Stage as S["use"]]: Checks<Omit<S, "use">> } = {
  given: { ...KEEP, score: kind("function") },
  bm25: { ...KEEP, k1: requireBetween(0, MOST_NUMBER), b: requireBetween(0, 1), stopWords: taken },
  dense: { ...KEEP, pooling: word("mean", "cls", "checkpoint"), model: taken },
  late: { ...KEEP, model: taken },
  crossEncoder: { ...KEEP, model: taken },
};

/** The kind of model that a stage is the work of; the others need none. */
const WORK_OF: Partial<Record<Use, ModelInfo["kind"]>> = { dense: "lateInteraction", late: "lateInteraction", crossEncoder: "crossEncoder" };

const KINDS: Record<ModelInfo["kind"], string> = { lateInteraction: "an encoder", crossEncoder: "a cross-encoder" };

/** The stages in a list of our own, each read once. */
export function checkStages<T>(stages: readonly Stage<T>[]): CheckedStage<T>[] {
  const found = itemsOf(stages, "stages", MOST_STAGES, checkStage<T>);
  if (found.length === 0) throw invalid("stages is empty", "Leave it out to rank by the model alone.");
  const [, again] = found.flatMap(({ use }, index) => (use === "given" ? [index] : []));
  if (again !== undefined) throw invalid(`stages[${again}].use is "given" a second time; a pipeline has one such stage`);
  return found;
}

function checkStage<T>(stage: Stage<T>, place: string): CheckedStage<T> {
  requireKind("object", stage, place);
  const use: Use = read(stage, "use", `${place}.use`);
  word(...Object.keys(CHECKS))(use, `${place}.use`);
  const checks: Checks<object> = CHECKS[use];
  requireKnown(stage, { use, ...checks }, place, `option of "${use}"`);
  return asChecked({ use, ...checked<object>(stage, checks, `${place}.`) } as Stage<T>, place);
}

function asChecked<T>(stage: Stage<T>, place: string): CheckedStage<T> {
  switch (stage.use) {
    case "given":
      requireKind("function", stage.score, `${place}.score`);
      return stage;
    case "bm25":
      return stage.stopWords !== undefined ? { ...stage, stopWords: wordsOf(stage.stopWords, `${place}.stopWords`) } : stage;
    default:
      return withOwn(stage, `${place}.model`);
  }
}

function withOwn<T>({ model, ...stage }: DenseStage | LateStage | CrossEncoderStage, place: string): CheckedStage<T> {
  return model === undefined ? stage : { ...stage, own: ownOf(model, place) };
}

const FUSIONS: { [F in Fusion as F["by"]]: Checks<Omit<F, "by">> } = {
  reciprocalRanks: { k: requireBetween(0, MOST_NUMBER) },
  standardScores: {},
};

export function checkFusion<T>(fusion: Fusion, stages: readonly CheckedStage<T>[]): Fusion {
  requireKind("object", fusion, "fuse");
  const by = read(fusion, "by", "fuse.by");
  word(...Object.keys(FUSIONS))(by, "fuse.by");
  const checks: Checks<object> = FUSIONS[by];
  requireKnown(fusion, { by, ...checks }, "fuse", `option of "${by}"`);
  if (by === "standardScores" && !stages.some(({ use }) => use === "given")) throw invalid(`fuse.by is "${by}", and no stage is "given"`);
  return { by, ...checked<object>(fusion, checks, "fuse.") };
}

/**
 * Who does what: consecutive stages of one model are one run, and a stage that needs no model is done along with its neighbours. `own`: the model of stages that
 * name none.
 */
export function runsOf<T>(own: Own, stages: readonly CheckedStage<T>[]): Run<T>[] {
  const owners = stages.map((stage, index) => ownerOf(own, stage, index));
  const first = owners.find((owner) => owner !== undefined) ?? own;
  const runs: Run<T>[] = [{ own: first, stages: [] }];
  for (const [index, stage] of stages.entries()) {
    const owner = owners[index];
    if (owner !== undefined && owner !== runs.at(-1)!.own) runs.push({ own: owner, stages: [] });
    runs.at(-1)!.stages.push(stage);
  }
  return runs;
}

/** What a model does that is asked for no stages. */
export function aloneOf<T>({ kind }: ModelInfo): CheckedStage<T> {
  return { use: kind === "crossEncoder" ? "crossEncoder" : "late" };
}

/** The scores that documents bring along, if some stage reads them; NaN for one that has none. */
export function givenScores<T>(documents: readonly T[], stages: readonly CheckedStage<T>[]): Float64Array | undefined {
  const place = stages.findIndex(({ use }) => use === "given");
  const stage = stages[place];
  if (stage?.use !== "given") return undefined;
  return Float64Array.from(documents, (document, index) => givenScore(() => stage.score(document), `documents[${index}]`, place));
}

function givenScore(ask: () => unknown, document: string, stage: number): number {
  const score = answerOf(ask, `${document}: stages[${stage}].score`);
  if (score === undefined || score === null) return Number.NaN;
  const place = `${document}: the score that stages[${stage}].score gave`;
  requireFinite(score, place);
  requireBetween(-MOST_NUMBER, MOST_NUMBER)(score, place);
  return score;
}

/** The same, with what one counts as that is not there: just below the least. */
export function filledScores(given: Float64Array): Float64Array {
  const least = given.reduce((least, score) => (score < least ? score : least), Infinity);
  const below = least === Infinity ? 0 : least - Math.max(Math.abs(least) * Number.EPSILON, Number.MIN_VALUE);
  return given.map((score) => (Number.isNaN(score) ? below : score));
}

/** A stage as it crosses: its model and its function do not. `documents`: how many there are to keep. */
export function requestOf<T>({ own: _, ...stage }: CheckedStage<T>, documents: number): StageRequest {
  const cut = stage.keep !== undefined && { keep: Math.min(stage.keep, documents) };
  if (stage.use !== "given") return { ...stage, ...cut };
  return { use: stage.use, ...cut };
}

/** Whose work a stage is; nobody's that needs no model. */
function ownerOf<T>(own: Own, stage: CheckedStage<T>, index: number): Own | undefined {
  const kind = WORK_OF[stage.use];
  if (kind === undefined) return undefined;
  const owner = stage.own ?? own;
  if (owner.model.kind !== kind) throw invalid(`stages[${index}].use is "${stage.use}", and its model is ${KINDS[owner.model.kind]}`, "Pass as its model a Reranker of the other kind.");
  return owner;
}
