// The same work on the command line: what the browser's results are held against.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { needCli } from "./paths.mjs";

/** The native ranking of texts: index and score of each, best first. */
export function rerank(model, query, texts) {
  const lines = tabrank(["rerank", "--model", model, "--query", query], texts.map((text) => ({ text })));
  return lines.trim().split("\n").map((line) => JSON.parse(line));
}

/** Mean-pooled vectors of texts, into a file. */
export function encode(model, kind, texts, output) {
  tabrank(["encode", "--model", model, "--kind", kind, "--pooling", "mean", "--output", output], texts.map((text) => ({ text })));
}

/** How many tokens texts become. */
export function tokens(model, kind, texts) {
  return encoded(model, kind, texts).shape[0];
}

/** The embeddings of documents by a codec, or by that of a file, into a file. */
export function compress(model, texts, codec, output) {
  tabrank(["encode", "--model", model, "--codec", codec, "--output", output], texts.map((text) => ({ text })));
}

/** A residual codec, made of a file of embeddings. */
export function trainCodec(sample, output) {
  tabrank(["codec", "train", sample, "--centroids", "8", "--output", output], []);
}

/** An index of documents with ids and texts, in a folder, in place of what is there. */
export function buildIndex(model, documents, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  tabrank(["index", "build", "--model", model, "-o", folder], documents);
}

/** What the command line finds in an index: id, rank and score, a float of 32 bits in as few digits as tell it from others. */
export function searchIndex(model, folder, query, topK) {
  const lines = tabrank(["index", "search", folder, "--model", model, "--query", query, "--top-k", String(topK)], []).trim().split("\n");
  return lines.map((line) => JSON.parse(line)).map(({ score, ...found }) => ({ ...found, score: Math.fround(score) }));
}

/** The pages of a PDF into a file, as `pages encode` makes it. */
export function encodePages(model, pdf, output) {
  mkdirSync(dirname(output), { recursive: true });
  const input = output.replace(/\.safetensors$/, ".pdf");
  writeFileSync(input, pdf);
  tabrank(["pages", "encode", "--model", model, "--pixels", "600", input, "-o", output], []);
}

/** What `pages search` finds in such a file, with the patch that each token matches. */
export function searchPages(model, store, query) {
  const lines = tabrank(["pages", "search", "--model", model, "--store", store, "--query", query, "--matches"], []).trim().split("\n");
  return lines.map((line) => JSON.parse(line)).map(({ score, ...found }) => ({ ...found, score: Math.fround(score) }));
}

/** The numbers of a query's embeddings, row after row. */
export function queryRows(model, query) {
  const { bytes } = encoded(model, "query", [query]);
  return [...new Float32Array(new Uint8Array(bytes).buffer)];
}

/** The SHA-256 of the native embeddings of documents: their bits. */
export function embeddingsHash(model, documents) {
  return createHash("sha256").update(encoded(model, "document", documents).bytes).digest("hex");
}

/** The native embeddings of texts. */
function encoded(model, kind, texts) {
  const folder = mkdtempSync(join(tmpdir(), "tabrank-"));
  try {
    const output = join(folder, "embeddings.safetensors");
    tabrank(["encode", "--model", model, "--kind", kind, "--output", output], texts.map((text) => ({ text })));
    const file = readFileSync(output);
    const data = 8 + Number(file.readBigUInt64LE(0));
    const { shape, data_offsets: [from, to] } = JSON.parse(file.toString("utf8", 8, data)).embeddings;
    return { shape, bytes: file.subarray(data + from, data + to) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A bundle of the model in a folder, in place of what is there. */
export function convert(model, dtype, folder) {
  rmSync(folder, { recursive: true, force: true });
  tabrank(["convert", model, "--dtype", dtype, "-o", folder], []);
}

function tabrank(parameters, lines) {
  const input = lines.map((line) => JSON.stringify(line)).join("\n");
  const { status, stdout, stderr, error } = spawnSync(needCli(), parameters, { input, encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`tabrank ${parameters[0]} ended with ${status}: ${error ?? stderr}`);
  return stdout;
}
