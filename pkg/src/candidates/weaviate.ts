/** Objects of Weaviate, as its client gives them. */

import type { Candidates } from "./shared/candidates.js";
import { fieldOf, idIn, numberIn, scoreFrom } from "./shared/fields.js";
import { listed } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";
import { embeddingsOf, type VectorOptions } from "./shared/vectors.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of an object. */
export interface WeaviateObject {
  uuid: string;
  properties: object;
  metadata?: { score?: number; distance?: number; certainty?: number } | undefined;
  vectors?: unknown;
}

/** What the methods of `collection.query` give. */
export interface WeaviateResponse {
  objects: readonly WeaviateObject[];
}

export type WeaviateHit<R> = R extends { objects: readonly (infer O extends WeaviateObject)[] } ? O : never;

export interface WeaviateOptions<Hit> extends VectorOptions {
  /** Of the properties; `text`. */
  text?: TextOption<Hit>;
}

/**
 * Text: `properties.text`. Id: `uuid`. Score: of the metadata, which `returnMetadata` asks for, `score`, else `distance` with its sign turned, else `certainty`.
 * Embeddings: a multi-vector under `vectors`, which comes with `includeVector`.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export function fromWeaviate<R extends WeaviateResponse>(response: R, options: WeaviateOptions<WeaviateHit<R>> = {}): Candidates<WeaviateHit<R>, R> {
  return listed(response, [["objects"]], {
    ...textReading<WeaviateHit<R>>(options.text, "properties"),
    id: (object, place) => idIn(object, "uuid", place),
    score: (object, place) => numberIn(object, "metadata.score", place) ?? scoreFrom(numberIn(object, "metadata.distance", place), true) ?? numberIn(object, "metadata.certainty", place),
    embeddings: (object, place) => embeddingsOf(fieldOf(object, "vectors"), `${place}.vectors`, options),
  });
}
