/** Why did a page, or another document that brought its embeddings, get its score, and where on it do the matches lie? */

import type { ExplainOptions, ScoredExplanation } from "../types.js";
import type { GivenEmbeddings } from "../vectors.js";
import { rowsGiven } from "./given-embeddings.js";
import { checkQuery } from "./input.js";
import { invalid } from "./invalid.js";
import { joined } from "./fit.js";
import { codecFiles } from "./codecs.js";
import { mapsOf } from "./matches.js";
import { checkExplain } from "./options.js";
import type { Own } from "./own.js";
import { rank } from "./pipeline.js";
import { findCodecsOf, sourcesOf } from "./sources.js";
import { groupsOf } from "./vector-groups.js";

/** The ranking of one explains it; of a page's patches each token's similarity to all of them is asked for too. */
export async function explainPage(own: Own, query: string, document: GivenEmbeddings, options: ExplainOptions): Promise<ScoredExplanation> {
  const { signal, codecs = [], windows } = checkExplain(options);
  if (windows) throw invalid("longDocuments is given, and the document brings embeddings, which are not encoded");
  const text = checkQuery(query, own.limits);
  const sources = sourcesOf(own, []);
  const rows = rowsGiven(document, { place: "document", limits: own.limits, dimensionOf: sources.dimensionOf });
  if (!rows) throw invalid("document has no embeddings");
  sources.ownerOf(rows, "the embeddings of document");
  const ranked = await rank(own, text, [{}], { embeddings: () => document, codecs, explain: true, vectorCache: false, ...(signal && { signal }) });
  const explanation = ranked.results[0]!.explanation!;
  if (!rows.patches) return explanation;
  const { values } = joined(await own.client.call("encode", { kind: "query", texts: [text], pooling: "none" }, { signal }));
  await findCodecsOf(own.client, [{ rows, name: "document" }], codecFiles(codecs), own.model.embeddingId);
  const answer = await own.client.call("matches", { query: values, document: groupsOf([{ rows, place: 0, index: 0 }]) }, { signal });
  return { ...explanation, maps: mapsOf(answer, rows.rows, rows.patches) };
}
