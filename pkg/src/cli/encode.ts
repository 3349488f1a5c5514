/** `tabrank encode`: texts from stdin, a record each to stdout. */

import type { TokenEmbeddings } from "../types.js";
import { DOCUMENTS, type Kind, MODEL, optionsIn, parsed, required, type Taken } from "./arguments.js";
import { usage } from "./failure.js";
import { join, split } from "./fields.js";
import { print, say } from "./host.js";
import { type Item, readItems, requiredText } from "./input.js";
import { loadModel } from "./model.js";

const ARGUMENTS: Record<string, Kind> = { ...MODEL, ...DOCUMENTS, kind: ["query", "document"], pooling: ["none", "mean", "cls", "checkpoint"], codec: "text" };

const NATIVE = ["output", "resume"];

const OPTIONS = { pooling: "pooling", "long-documents": "longDocuments", overlap: "overlap", "max-windows": "maxWindows", "pool-factor": "tokenPooling" };

/** Texts that are encoded, and held, at a time. */
const AT_ONCE = 1_000;

/** Bytes of which a string is made at a time. */
const STRETCH = 2 ** 15;

export async function encode(words: string[]): Promise<void> {
  const args = parsed(words, ARGUMENTS, NATIVE);
  const { kind = "document", codec = "f32", "on-error": onError = "fail" } = args;
  if (codec !== "f32") throw usage("--codec other than f32 is for the native command");
  if (kind === "query" && args["long-documents"] === "windows") throw usage("--long-documents windows is for documents; queries are always cut");
  const reranker = await loadModel(required(args, "model"), args);
  try {
    const items: { item: Item; text: string }[] = [];
    readItems(onError as string, (item) => items.push({ item, text: requiredText(item) }));
    const options = optionsIn(args, OPTIONS);
    let truncated = 0;
    for (let start = 0; start < items.length; start += AT_ONCE) {
      const some = items.slice(start, start + AT_ONCE);
      const texts = some.map(({ text }) => text);
      const batches = kind === "query" ? await inTurn(texts, (text) => reranker.encodeQuery(text, options)) : [await reranker.encodeDocuments(texts, options)];
      const rows = batches.flatMap(rowsOf);
      truncated += rows.filter((one) => one.truncated).length;
      print(some.map(({ item }, at) => `${record(item, rows[at]!, reranker.model.embeddingId, args)}\n`).join(""));
    }
    if (truncated > 0) say(`warning: ${truncated} of ${items.length} texts are longer than the model takes; their ends are not read`);
  } finally {
    reranker.dispose();
  }
}

async function inTurn<A>(texts: readonly string[], each: (text: string) => Promise<A>): Promise<A[]> {
  const answers: A[] = [];
  for (const text of texts) answers.push(await each(text));
  return answers;
}

interface Rows {
  values: Float32Array;
  dimension: number;
  truncated: boolean;
}

function rowsOf({ values, lengths, dimension, truncated }: TokenEmbeddings): Rows[] {
  let end = 0;
  return Array.from(lengths, (length, text) => {
    const start = end;
    end += length * dimension;
    return { values: values.subarray(start, end), dimension, truncated: truncated[text] === 1 };
  });
}

function record({ index, fields }: Item, { values, dimension, truncated }: Rows, embeddingId: string, { pooling = "none", "pool-factor": factor }: Taken): string {
  const [id] = split(fields, ["id"]);
  const parts = [
    join(id.slice(-1)),
    `"index":${index},"truncated":${truncated},"codec":"f32","dimension":${dimension}`,
    pooling === "none" ? `"embeddingId":"${embeddingId}"` : "",
    factor === undefined ? "" : `"tokenPooling":"${String(factor)}"`,
    `"embeddings":"${base64(values)}"`,
  ];
  return `{${parts.filter((part) => part !== "").join(",")}}`;
}

function base64({ buffer, byteOffset, byteLength }: Float32Array): string {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  let text = "";
  for (let start = 0; start < bytes.length; start += STRETCH) text += String.fromCharCode(...bytes.subarray(start, start + STRETCH));
  return btoa(text);
}
