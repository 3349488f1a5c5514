/** Hits of Vespa's search interface, in its JSON format. */

import type { DocumentEmbeddings } from "../index.js";
import { candidates, type Candidates, type Reading } from "./shared/candidates.js";
import { fieldOf, idIn, isRecord, numberIn } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";
import { namedEmbeddings, type NamedVectorOptions, requireRows } from "./shared/vectors.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a hit. */
export interface VespaHit {
  id?: string;
  relevance?: number;
  fields?: object;
}

/** What a search gives; without hits it has no `children`. */
export interface VespaResponse {
  root: { children?: readonly VespaHit[] };
}

export type VespaHitOf<R> = R extends { root: { children?: readonly (infer H extends VespaHit)[] } } ? H : never;

export interface VespaOptions<Hit> extends NamedVectorOptions {
  /** Of the fields; `text`. */
  text?: TextOption<Hit>;
  /**
   * The tensor field with one mapped dimension, for tokens, and one indexed, for their values, that holds a hit's embeddings. Cells of int8 are read as packed bits, as
   * `pack_bits` and the ColBERT embedder make them, wherever the answer has the tensor's type. None by default: the text is encoded.
   */
  vector?: string | false;
}

/**
 * Text: `fields.text`. Id: `id`. Score: `relevance`. Embeddings: a tensor of the fields, if `vector` names it.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromVespa<R extends VespaResponse>(response: R, options: VespaOptions<VespaHitOf<R>> = {}): Candidates<VespaHitOf<R>, R> {
  const reading: Reading<VespaHitOf<R>> = {
    ...textReading(options.text, "fields"),
    id: (hit, place) => idIn(hit, "id", place),
    score: (hit, place) => numberIn(hit, "relevance", place),
    embeddings: (hit, place) => namedEmbeddings(fieldOf(hit, "fields"), `${place}.fields`, options, tensorOf),
  };
  if (isWithoutHits(response)) return candidates([], "response.root.children", reading, () => response);
  return listed(response, [["root", "children"]], reading);
}

function isWithoutHits(response: unknown): boolean {
  const root = fieldOf(response, "root");
  return isRecord(root) && fieldOf(root, "children") === undefined;
}

/** `{ type, blocks }`, or with `format.tensors=short-value` the blocks alone: by the tokens' labels, or a list of `{ address, values }`. */
function tensorOf(tensor: unknown, place: string): DocumentEmbeddings {
  const type = fieldOf(tensor, "type");
  const blocks = fieldOf(tensor, "blocks") ?? tensor;
  const rows = Array.isArray(blocks) ? blocks.map((block) => fieldOf(block, "values")) : isRecord(blocks) ? Object.values(blocks) : blocks;
  return { codec: typeof type === "string" && type.startsWith("tensor<int8>") ? "binary" : "f32", embeddings: requireRows(rows, place) };
}
