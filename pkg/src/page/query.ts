/** Checks a ranking's query: a text, or embeddings of one. */

import type { QueryEmbeddings } from "../ranking.js";
import { copyOfRows, requireWholeRows } from "./embeddings.js";
import { checkQuery } from "./input.js";
import { invalid, read } from "./invalid.js";
import type { Own } from "./own.js";
import type { CheckedStage } from "./stages.js";

/** Stages that do without the query's text. */
const TEXTLESS = ["late", "given"];

/** A text, or a copy of the embeddings. `own`: whose work stages are that name no model. */
export function checkRankedQuery<T>(query: string | QueryEmbeddings, stages: readonly CheckedStage<T>[], own: Own): string | Float32Array {
  if (typeof query !== "object" || query === null) return checkQuery(query, own.limits);
  const embeddings = copyOfRows(read(query, "embeddings", "query.embeddings"), "query.embeddings");
  for (const [index, stage] of stages.entries()) {
    if (!TEXTLESS.includes(stage.use)) throw invalid(`query holds embeddings, and stages[${index}] ("${stage.use}") ranks by a query's text`);
    if (stage.use === "late") requireWholeRows(embeddings, (stage.own ?? own).model.dimension, "query.embeddings");
  }
  return embeddings;
}
