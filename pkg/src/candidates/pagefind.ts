/** Pages that Pagefind found on a static site. */

import { candidates, type Candidates, type Reading } from "./shared/candidates.js";
import { fieldOf, idIn, invalidKind, numberIn, requireList, requireRecord } from "./shared/fields.js";
import { withField } from "./shared/places.js";
import { textReading, type TextOption } from "./shared/text.js";

export type { Candidates } from "./shared/candidates.js";

/** What is read of a result. */
export interface PagefindHit {
  id: string;
  score?: number;
  data(): Promise<object>;
}

/** What `search` gives. */
export interface PagefindResponse {
  results: readonly PagefindHit[];
}

export type PagefindHitOf<R> = R extends { results: readonly (infer H extends PagefindHit)[] } ? H : never;

type Data<R> = PagefindHitOf<R> extends { data(): Promise<infer D> } ? D : never;

export interface PagefindOptions<D> {
  /** Of what `data()` gives; `content`. */
  text?: TextOption<D>;
  /** Results whose text is fetched, each in a request to the site; the others are no hits. 50. */
  limit?: number;
}

/**
 * Fetches the texts of the first results by their `data()`. Text: `content`. Id: `id`. Score: `score`. Embeddings: none.
 *
 * @throws RerankerError `INVALID_INPUT`, which names the field that does not fit.
 */
export async function fromPagefind<R extends PagefindResponse>(response: R, options: PagefindOptions<Data<R>> = {}): Promise<Candidates<PagefindHitOf<R>, R>> {
  const results: unknown = fieldOf(response, "results");
  requireList(results, "response.results");
  const hits = results.slice(0, options.limit ?? 50);
  const pages = new Map(await Promise.all(hits.map(async (hit, index) => [idOf(hit, `response.results[${index}]`), await dataOf(hit, `response.results[${index}]`)] as const)));
  const { text, textPlace } = textReading<Data<R>>(options.text ?? "content");
  const reading: Reading<PagefindHitOf<R>> = {
    text: (hit, place) => text(pages.get(idOf(hit, place)) as Data<R>, `${place}: its data`),
    textPlace: `: its data${textPlace}`,
    id: idOf,
    score: (hit, place) => numberIn(hit, "score", place),
  };
  return candidates(hits, "response.results", reading, (ordered) => withField(response, "results", ordered));
}

function idOf(hit: unknown, place: string): string | number | undefined {
  requireRecord(hit, place);
  return idIn(hit, "id", place);
}

async function dataOf(hit: unknown, place: string): Promise<unknown> {
  const { data } = hit as PagefindHit;
  if (typeof data !== "function") throw invalidKind(data, `${place}.data`, "a function");
  return (hit as PagefindHit).data();
}
