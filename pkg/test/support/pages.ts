/** Similarity maps of pages, as `tests/reference/similarity_maps.py` wrote them. */

declare const process: { getBuiltinModule(name: "node:fs"): { readFileSync(path: URL, encoding: "utf8"): string } };

const FILE = new URL("../../../tests/fixtures/similarity_maps.json", import.meta.url);

interface Expected {
  dimension: number;
  cases: Page[];
}

export interface Page {
  grid: [rows: number, columns: number];
  /** Embeddings in front of the patches. */
  offset: number;
  tile: number | null;
  query: number[];
  embeddings: number[];
  /** Of each query token. */
  maps: number[][];
}

export const { dimension: DIMENSION, cases: PAGES } = JSON.parse(process.getBuiltinModule("node:fs").readFileSync(FILE, "utf8")) as Expected;
