/** `tabrank rerank`: candidates from stdin, the best of them to stdout. */

import type { Reranker } from "../index.js";
import type { BudgetOptions, RerankOptions, RerankResult, Stage } from "../ranking.js";
import type { GivenEmbeddings } from "../vectors.js";
import { DOCUMENTS, type Kind, MODEL, optionsIn, parsed, required, type Taken } from "./arguments.js";
import { usage, wrong } from "./failure.js";
import { join, split } from "./fields.js";
import { print, say } from "./host.js";
import { type Item, numberIn, readItems, requiredText, textIn } from "./input.js";
import { loadModel } from "./model.js";
import { scoreText } from "./numbers.js";

const ARGUMENTS: Record<string, Kind> = {
  ...MODEL,
  ...DOCUMENTS,
  query: "text",
  "top-k": "positive",
  stage: "texts",
  dense: ["mean", "cls", "checkpoint"],
  fuse: ["ranks", "scores"],
  "min-score": "number",
  diversify: "number",
  "budget-ms": "count",
};

const NATIVE = ["embeddings", "codec"];

const OPTIONS = { "top-k": "topK", "min-score": "minScore", diversify: "diversify", "budget-ms": "budgetMs", "long-documents": "longDocuments", overlap: "overlap", "max-windows": "maxWindows", "pool-factor": "tokenPooling" };

/** Fields that an object gets, and what makes room for them. */
const OURS = ["index", "rank", "score", "truncated", "fused", "same_as", "stages", "replaced"];

/** A stage as it is written, and the package's. */
const USES: Record<string, Stage["use"]> = { given: "given", bm25: "bm25", dense: "dense", late: "late", cross: "crossEncoder" };

/** One of these is there where an object brings its embeddings along. */
const BROUGHT = ["embeddings", "embeddings_b64", "codes"];

interface Candidate {
  item: Item;
  text: string | undefined;
  given: number | undefined;
}

export async function rerank(words: string[]): Promise<void> {
  const args = parsed(words, ARGUMENTS, NATIVE);
  const [query, folder] = [required(args, "query"), required(args, "model")];
  const asked = (args["stage"] ?? []) as string[];
  const written = asked.map(stageIn);
  const models = new Map<string, Reranker>();
  try {
    models.set("", await loadModel(folder, args));
    for (const { model } of written) if (model !== "" && !models.has(model)) models.set(model, await loadModel(model, args, {}));
    const candidates = candidatesIn(args, written);
    const own = models.get("")!;
    const stages = written.map((stage) => asStage(stage, models, args));
    // The package fuses with scores that a stage has read. Texts that are the same then stand in the order of those.
    const isFused = args["fuse"] !== undefined && candidates.some(({ given }) => given !== undefined) && !stages.some(({ use }) => use === "given");
    const all = isFused ? [GIVEN, ...(stages.length > 0 ? stages : [aloneOf(own)])] : stages;
    const options = optionsOf(args, all);
    const { results } = await own.rerank(query, candidates, options);
    const truncated = results.filter((result) => result.truncated).length;
    if (truncated > 0) say(`warning: ${truncated} of ${results.length} texts are longer than the model takes; their ends are not read`);
    print(results.map((result) => `${line(result, candidates, asked.length)}\n`).join(""));
  } finally {
    for (const model of models.values()) model.dispose();
  }
}

interface Written {
  name: string;
  /** Empty for the command's own. */
  model: string;
  keep: number | undefined;
}

/** `dense:100`, `cross=DIR:10`. */
function stageIn(text: string): Written {
  const [, name = "", model, keep] = /^([^=:]*)(?:=(.*?))?(?::(\d+))?$/.exec(text) ?? [];
  if (!Object.hasOwn(USES, name)) throw usage(`--stage ${text}: a stage is one of ${Object.keys(USES).join(", ")}, with =DIR and :KEEP behind it`);
  if (model === "") throw usage(`--stage ${text}: the folder is missing`);
  if (model !== undefined && (name === "given" || name === "bm25")) throw usage(`--stage ${text}: ${name} has no model`);
  if (keep !== undefined && Number(keep) === 0) throw usage(`--stage ${text}: it hands on none`);
  return { name, model: model ?? "", keep: keep === undefined ? undefined : Number(keep) };
}

const GIVEN: Stage<Candidate> = { use: "given", score: ({ given }) => given };

/** What ranks where no stage is named. */
function aloneOf({ model }: Reranker): Stage<Candidate> {
  return { use: model.kind === "crossEncoder" ? "crossEncoder" : "late" };
}

function asStage({ name, model, keep }: Written, models: ReadonlyMap<string, Reranker>, { dense }: Taken): Stage<Candidate> {
  const use = USES[name]!;
  return {
    use,
    ...(keep !== undefined && { keep }),
    ...(model !== "" && { model: models.get(model)! }),
    ...(use === "dense" && dense !== undefined && { pooling: dense }),
    ...(use === "given" && GIVEN),
  } as Stage<Candidate>;
}

/** In an object of their own, or beside its other fields. */
function embeddingsIn({ value }: Item): GivenEmbeddings | undefined {
  if (!bringsEmbeddings(value)) return undefined;
  return (typeof value["embeddings"] === "object" ? value["embeddings"] : value) as GivenEmbeddings;
}

function bringsEmbeddings(value: Item["value"]): boolean {
  return BROUGHT.some((field) => value[field] !== undefined && value[field] !== null);
}

function candidatesIn({ fuse, "on-error": onError = "fail" }: Taken, stages: readonly Written[]): Candidate[] {
  const wantsScores = fuse !== undefined || stages.some(({ name }) => name === "given");
  const candidates: Candidate[] = [];
  readItems(onError as string, (item) => {
    const text = bringsEmbeddings(item.value) ? textIn(item) : requiredText(item);
    candidates.push({ item, text, given: wantsScores ? numberIn(item, "score") : undefined });
  });
  const isScored = candidates.length === 0 || candidates.some(({ given }) => given !== undefined);
  const wants = stages[0]?.name === "given" ? "--stage given" : fuse === "scores" ? "--fuse scores" : undefined;
  if (!isScored && wants) throw wrong(`${wants} wants a "score", which no object has`);
  return candidates;
}

function optionsOf(args: Taken, stages: Stage<Candidate>[]): BudgetOptions<Candidate> {
  const { fuse } = args;
  const options: RerankOptions<Candidate> = {
    ...optionsIn(args, OPTIONS),
    text: ({ text }) => text,
    embeddings: ({ item }) => embeddingsIn(item),
    id: () => undefined,
    ...(stages.length > 0 && { stages }),
    ...(fuse !== undefined && { fuse: { by: fuse === "ranks" ? "reciprocalRanks" : "standardScores" } }),
  };
  return options as BudgetOptions<Candidate>;
}

/** An object's own fields, then those that it is given, then those of its own by such a name. */
function line({ document, rank, score, truncated, fused, sameAs, stages }: RerankResult<Candidate, number | null>, candidates: readonly Candidate[], asked: number): string {
  const { index, fields } = document.item;
  const [replaced, own] = split(fields, OURS);
  const told = stages.slice(stages.length - asked).map((stage) => `{"use":"${stage.use === "crossEncoder" ? "cross" : stage.use}","rank":${stage.rank},"score":${scoreText(stage.score)}}`);
  const parts = [
    join(own),
    `"index":${index},"rank":${rank},"score":${scoreText(score)},"truncated":${truncated}`,
    fused === undefined ? "" : `"fused":${scoreText(Math.fround(fused))}`,
    sameAs === undefined ? "" : `"same_as":${candidates[sameAs]!.item.index}`,
    asked > 0 ? `"stages":[${told.join(",")}]` : "",
    replaced.length > 0 ? `"replaced":{${join(replaced)}}` : "",
  ];
  return `{${parts.filter((part) => part !== "").join(",")}}`;
}
