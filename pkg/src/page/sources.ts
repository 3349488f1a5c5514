/** Whose embeddings documents bring along: each is held against the model that it is for, and what has none is looked for where a stage reads texts. */

import { RerankerError } from "../error.js";
import type { CodecAnswer } from "../protocol.js";
import type { Candidate } from "./candidates.js";
import type { GivenRows } from "./given-embeddings.js";
import { nameOf } from "./input.js";
import { invalid } from "./invalid.js";
import type { Own } from "./own.js";
import { registered } from "./codecs.js";
import type { CheckedStage } from "./stages.js";
import type { Client } from "./worker-client.js";

/** The models that embeddings can be of. `place` names the embeddings in errors. */
export interface Sources {
  /** Throws where it is none of them. Undefined where no model is an encoder, so that embeddings are of no use. */
  ownerOf(rows: GivenRows, place: string): Own | undefined;
  dimensionOf(embeddingId: string | undefined, place: string): number | undefined;
}

/** Embeddings that name no model are the called one's, or if that is a cross-encoder, those of the first stage that has an encoder. */
export function sourcesOf<T>(own: Own, stages: readonly CheckedStage<T>[]): Sources {
  const encoders = [own, ...stages.flatMap((stage) => stage.own ?? [])].filter(({ model }) => model.kind === "lateInteraction");
  const find = (id: string | undefined, place: string) => {
    if (id === undefined || encoders.length === 0) return encoders[0];
    const found = encoders.find(({ model }) => model.embeddingId === id);
    if (!found) throw mismatch(`${place} are of the model ${shown(id)}, and the ranking's is ${encoders.map(({ model }) => model.embeddingId).join(", ")}`);
    return found;
  };
  const ownerOf = ({ embeddingId, dimension }: GivenRows, place: string) => {
    const owner = find(embeddingId, place);
    if (owner && dimension !== owner.model.dimension) throw mismatch(`${place} have ${dimension} values, and the model's ${owner.model.dimension}`);
    return owner;
  };
  return { ownerOf, dimensionOf: (id, place) => find(id, place)?.model.dimension };
}

const TEXT_STAGES = ["bm25", "dense", "crossEncoder"];

/** Refuses documents without a text where a stage reads it. What explains, or tells documents apart, is a model of those stages. */
export function requireTexts<T>(candidates: readonly Candidate[], own: Own, stages: readonly CheckedStage<T>[]): void {
  for (const { index, id, text, brought } of candidates) {
    if (text !== undefined) continue;
    const name = nameOf(index, id);
    // One that brings nothing is known by its id, to the called model at least.
    const isKnown = (owner: Own) => (brought ? brought.owner === owner : owner.cache !== undefined);
    const reader = stages.findIndex((stage) => TEXT_STAGES.includes(stage.use) || (stage.use === "late" && !isKnown(stage.own ?? own)));
    if (reader >= 0) throw invalid(`${name} has no text, and stages[${reader}] ("${stages[reader]!.use}") reads texts`);
  }
}

/** Rows, and how errors name the document that they are of. */
export interface NamedRows {
  rows: GivenRows;
  name: string;
}

/** Finds each residual's codec, once their models' workers have them. */
export async function findCodecs(candidates: readonly Candidate[], codecs: readonly Uint8Array[]): Promise<void> {
  const brought = candidates.flatMap(({ index, id, brought }) => (brought ? [{ ...brought, name: nameOf(index, id) }] : []));
  for (const { client, model } of new Set(brought.map(({ owner }) => owner))) {
    await findCodecsOf(client, brought.filter(({ owner }) => owner.client === client), codecs, model.embeddingId);
  }
}

/** `embeddingId`: of the model whose all of them are, if that is known. */
export async function findCodecsOf(client: Client, documents: readonly NamedRows[], codecs: readonly Uint8Array[], embeddingId: string | undefined): Promise<void> {
  const residuals = documents.filter(({ rows }) => rows.codec === "residual");
  if (residuals.length === 0) return;
  const answers = await registered(client, codecs);
  answers.forEach((answer, index) => requireModel(answer, embeddingId, `codecs[${index}]`));
  for (const { rows, name } of residuals) rows.codecId = codecFor(rows, answers, name).id;
}

function requireModel(codec: CodecAnswer, embeddingId: string | undefined, place: string): void {
  if (embeddingId === undefined || codec.embeddingId === undefined || codec.embeddingId === embeddingId) return;
  throw mismatch(`${place} is of the model ${shown(codec.embeddingId)}, and the embeddings of ${shown(embeddingId)}`);
}

function codecFor({ codecId, dimension, rows, residuals }: GivenRows, codecs: readonly CodecAnswer[], name: string): CodecAnswer {
  const [first] = codecs;
  if (!first) throw invalid(`${name}: its embeddings are residuals, and no codec is given`, "Pass { codecs: [ResidualCodec.from(file)] }.");
  const found = codecId === undefined && codecs.length === 1 ? first : codecs.find(({ id }) => id === codecId);
  if (!found) throw mismatch(`${name}: its embeddings are of the codec ${shown(codecId)}, and codecs has ${codecs.map(({ id }) => id).join(", ")}`);
  if (found.dimension !== dimension) throw mismatch(`${name}: its embeddings have ${dimension} values, and its codec's ${found.dimension}`);
  const bytes = (dimension * found.nbits) / 8;
  if (residuals!.length !== rows * bytes) throw invalid(`${name}: its residuals have ${residuals!.length} bytes; ${rows} rows of its codec have ${rows * bytes}`);
  return found;
}

/** An id as messages have it, which may be of any length. */
function shown(id: string | undefined): string {
  return id === undefined ? "that is not named" : id.slice(0, 64);
}

export function mismatch(message: string): RerankerError {
  return new RerankerError({ code: "MODEL_MISMATCH", message });
}
