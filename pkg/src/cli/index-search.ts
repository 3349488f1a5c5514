/** `tabrank index search`: which documents of an index on this machine answer a query? */

import { Index, type Reranker } from "../index.js";
import { type Kind, MODEL, optionsIn, parsed, required } from "./arguments.js";
import { unreadable, wrong } from "./failure.js";
import { rawField } from "./fields.js";
import { folderServer } from "./folder-server.js";
import { fs, print, say } from "./host.js";
import { type Item, readItems, requiredText } from "./input.js";
import { loadModel } from "./model.js";
import { scoreText } from "./numbers.js";

const ARGUMENTS: Record<string, Kind> = { ...MODEL, query: "text", "top-k": "positive", "n-ivf-probe": "positive", "n-full-scores": "count", "on-error": ["fail", "skip"] };

const OPTIONS = { "top-k": "topK", "n-ivf-probe": "nIvfProbe", "n-full-scores": "nFullScores" };

interface Query {
  /** Of several, as it stands in the output. */
  id?: string;
  text: string;
}

export async function search(words: string[]): Promise<void> {
  const args = parsed(words, ARGUMENTS, [], ["DIR"]);
  const folder = required(args, "DIR");
  const [query, onError = "fail"] = [args["query"], args["on-error"]];
  requireFolder(folder);
  const reranker = await loadModel(required(args, "model"), args);
  try {
    const queries = typeof query === "string" ? [{ text: query }] : queriesIn(onError as string);
    await answer(folder, reranker, queries, optionsIn(args, OPTIONS));
  } finally {
    reranker.dispose();
  }
}

function requireFolder(folder: string): void {
  try {
    if (fs.statSync(folder).isDirectory()) return;
  } catch (error) {
    throw unreadable(`cannot read ${folder}: ${(error as Error).message}`);
  }
  throw unreadable(`${folder} is not a folder`);
}

function queriesIn(onError: string): Query[] {
  const queries: Query[] = [];
  readItems(onError, (item) => queries.push({ id: idOf(item), text: requiredText(item) }));
  return queries;
}

/** A number stands for its digits. */
function idOf({ fields, index, place, value }: Item): string {
  const raw = rawField(fields, "id") ?? String(index);
  if (/^[-\d]/.test(raw)) return raw;
  if (typeof value["id"] !== "string") throw wrong(`${place}: "id" is not a string`);
  return value["id"];
}

/** A page's index has an address, so this machine serves it to itself. */
async function answer(folder: string, reranker: Reranker, queries: readonly Query[], options: object): Promise<void> {
  const server = await folderServer(folder);
  let index: Index | undefined;
  try {
    index = await Index.open(server.url, { reranker, cache: "off" });
    let parts = 0;
    let bytes = 0;
    for (const { id, text } of queries) {
      const { results, fetched } = await index.search(text, options);
      parts += fetched.parts;
      bytes += fetched.bytes;
      const named = id === undefined ? "" : `"query":${JSON.stringify(id)},`;
      print(results.map(({ id, rank, score }) => `{${named}"id":${JSON.stringify(id)},"rank":${rank},"score":${scoreText(score)}}\n`).join(""));
    }
    say(`${parts} parts were read, ${bytes} bytes`);
  } finally {
    index?.dispose();
    server.close();
  }
}
