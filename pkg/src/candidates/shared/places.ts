/** Where an answer has its list of hits, and the answer with another list there. */

import { candidates, type Candidates, type Reading } from "./candidates.js";
import { fieldOf, invalidKind } from "./fields.js";

/** Fields on the way to the list; none where the answer is the list. */
type Path = readonly string[];

/** The hits at the first of these places that holds a list. `hint`: what to do where none does. */
export function listed<Hit, Response>(response: Response, paths: readonly [Path, ...Path[]], reading: Reading<Hit>, hint?: string): Candidates<Hit, Response> {
  const path = paths.find((candidate) => Array.isArray(candidate.reduce(fieldOf, response)));
  if (!path) throw invalidKind(paths[0].reduce(fieldOf, response), placeOf(paths[0]), "an array", hint);
  const hits = path.reduce<unknown>(fieldOf, response) as readonly unknown[];
  return candidates(hits, placeOf(path), reading, (ordered) => withHits(response, path, ordered));
}

/** A copy as far as the path goes. */
function withHits<Response>(response: Response, [name, ...rest]: Path, hits: readonly unknown[]): Response {
  if (name === undefined) return hits as Response;
  return withField(response as object, name, withHits(fieldOf(response, name), rest, hits)) as Response;
}

/** A copy of the same class. */
export function withField<O extends object>(record: O, name: string, value: unknown): O {
  const fields = { ...Object.getOwnPropertyDescriptors(record), [name]: { value, writable: true, enumerable: true, configurable: true } };
  return Object.create(Object.getPrototypeOf(record) as object | null, fields) as O;
}

function placeOf(path: Path): string {
  return ["response", ...path].join(".");
}
