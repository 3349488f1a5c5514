/** Lists of embeddings and what they hold, as `tests/reference/vectors.py` wrote them. */

import type { CodecName, DocumentEmbeddings } from "../../src/index.js";

declare const process: { getBuiltinModule(name: "node:fs"): { readFileSync(path: URL): Uint8Array<ArrayBuffer> } };

const FOLDER = new URL("../../../tests/fixtures/vectors/", import.meta.url);

export const CODECS: CodecName[] = ["f32", "f16", "int8", "binary", "residual"];

export interface Expected {
  codecId: string;
  embeddingId: string;
  dimension: number;
  lengths: number[];
  /** As records for JSON, and the numbers that they stand for. */
  lists: Record<CodecName, { documents: DocumentEmbeddings[]; decompressed: number[][] }>;
  values: number[][];
}

/** A copy of its own, in a buffer of its own. */
export function fixture(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(process.getBuiltinModule("node:fs").readFileSync(new URL(name, FOLDER)));
}

export const EXPECTED = JSON.parse(new TextDecoder().decode(fixture("expected.json"))) as Expected;
