/** Where an answer has its list of hits, and the answer with another list there. */

import { fieldOf, invalidKind } from "./fields.js";

/** Fields on the way to the list; none where the answer is the list. */
export type Path = readonly string[];

export interface HitList {
  hits: readonly unknown[];
  /** How errors name the list. */
  place: string;
  path: Path;
}

/** At the first of these places that holds one. */
export function hitList(response: unknown, paths: readonly Path[], hint?: string): HitList {
  const path = paths.find((candidate) => Array.isArray(candidate.reduce(fieldOf, response)));
  if (path) return { hits: path.reduce(fieldOf, response) as readonly unknown[], place: placeOf(path), path };
  const [usual] = paths as [Path];
  throw invalidKind(usual.reduce(fieldOf, response), placeOf(usual), "an array", hint);
}

/** A copy as far as the path goes. */
export function withHits<Response>(response: Response, [name, ...rest]: Path, hits: readonly unknown[]): Response {
  if (name === undefined) return hits as Response;
  return { ...response, [name]: withHits(fieldOf(response, name), rest, hits) };
}

function placeOf(path: Path): string {
  return ["response", ...path].join(".");
}
