import { describe, expect, test } from "vitest";
import { onPage, type PageFields, type Patches, patchesOf } from "../../src/page/patches.js";
import type { TokenSpan } from "../../src/index.js";
import { DIMENSION, type Page, PAGES } from "../support/pages.js";

const rowsOf = (values: number[]) => Array.from({ length: values.length / DIMENSION }, (_, row) => values.slice(row * DIMENSION, (row + 1) * DIMENSION));

const dot = (a: number[], b: number[]) => a.reduce((sum, value, axis) => sum + value * b[axis]!, 0);

const placesOf = (fields: PageFields, embeddings: number) => patchesOf(fields, embeddings, "document")!;

const orderOf = ({ offset, tile }: Page) => ({ ...(offset > 0 && { offset }), ...(tile !== null && { tile }) });

describe.each(PAGES)("a page of $grid patches in tiles of $tile", (one) => {
  const { grid, offset, query, embeddings, maps } = one;
  const rows = rowsOf(embeddings);
  const patches = placesOf({ grid, patches: orderOf(one) }, rows.length);

  test("has the reference's similarity maps", () => {
    rowsOf(query).forEach((token, place) => {
      const map = patches.mapOf(Float32Array.from(rows, (row) => dot(token, row)));
      expect({ rows: map.rows, columns: map.columns }).toEqual({ rows: grid[0], columns: grid[1] });
      maps[place]!.forEach((value, cell) => expect(map.values[cell]).toBeCloseTo(value, 5));
    });
  });

  test("tells the patch that a map has the value of", () => {
    const map = patches.mapOf(Float32Array.from(rows, (_, row) => row));
    const found = new Set<number>();
    rows.forEach((_, row) => {
      const patch = patches.at(row);
      if (!patch || patch.overview) return;
      expect(map.values[patch.row * grid[1] + patch.column]).toBe(row);
      found.add(row);
    });
    expect(found.size).toBe(grid[0] * grid[1]);
  });

  test("is the same by a mask", () => {
    const isPatch = rows.map((_, row) => patches.at(row) !== undefined);
    for (const mask of [isPatch, Uint8Array.from(isPatch, Number)]) {
      const masked = placesOf({ grid, patches: { mask, ...(one.tile !== null && { tile: one.tile }) } }, rows.length);
      expect(rows.map((_, row) => masked.at(row))).toEqual(rows.map((_, row) => patches.at(row)));
    }
    expect(isPatch.indexOf(true)).toBe(offset);
  });
});

describe("rectangles", () => {
  const at = (patches: Patches, rows: number) => Array.from({ length: rows }, (_, row) => patches.at(row)?.rectangle);

  test("are in the page's own unit, or shares of it", () => {
    const onLetter = placesOf({ grid: [2, 3], page: [612, 792] }, 6);
    expect(onLetter.at(4)).toEqual({ row: 1, column: 1, rectangle: { x: 204, y: 396, width: 204, height: 396 } });
    expect(placesOf({ grid: [2, 4] }, 8).at(7)!.rectangle).toEqual({ x: 0.75, y: 0.5, width: 0.25, height: 0.5 });
    expect(placesOf({ grid: [2, 4], page: [0, 0] }, 8).at(7)!.rectangle).toEqual({ x: 0.75, y: 0.5, width: 0.25, height: 0.5 });
  });

  test("cover the page once, in tiles too, and once more by the overview", () => {
    const patches = placesOf({ grid: [4, 6], page: [60, 40], patches: { tile: 2 } }, 28);
    const rectangles = at(patches, 28).map((rectangle) => JSON.stringify(rectangle));
    expect(new Set(rectangles.slice(0, 24)).size).toBe(24);
    expect(patches.at(4)).toEqual({ row: 0, column: 2, rectangle: { x: 20, y: 0, width: 10, height: 10 } });
    expect(patches.at(27)).toEqual({ row: 1, column: 1, rectangle: { x: 30, y: 20, width: 30, height: 20 }, overview: true });
    expect(patches.at(28)).toBeUndefined();
  });
});

test("explanations tell the patch of each match that has one", () => {
  const span = (row: number): TokenSpan => ({ id: null, token: "", start: null, end: null, row });
  const match = (row: number) => ({ query: span(0), document: span(row), similarity: 1, share: 0.5 });
  const explanation = { score: 2, queryTruncated: false, truncated: false, matches: [match(2), match(0)] };
  const patches = placesOf({ grid: [1, 2], patches: { offset: 1 } }, 3);
  const { matches } = onPage(explanation, patches);
  expect(matches).toEqual([{ ...match(2), patch: { row: 0, column: 1, rectangle: { x: 0.5, y: 0, width: 0.5, height: 1 } } }, match(0)]);
});

test("a document without a grid is no page", () => {
  for (const fields of [{}, { grid: [0, 0], page: [0, 0] }] as PageFields[]) expect(patchesOf(fields, 4, "document")).toBeUndefined();
});

test.each<[PageFields, number, string]>([
  [{ grid: [2, 3] }, 5, "document.grid is 2 × 3, and 5 embeddings can be of patches"],
  [{ grid: [2, 3], patches: { offset: 2 } }, 7, "document.grid is 2 × 3, and 5 embeddings can be of patches"],
  [{ grid: [2, 2], patches: { mask: [true, true, true, false] } }, 4, "document.grid is 2 × 2, and 3 embeddings can be of patches"],
  [{ grid: [2, 2], patches: { mask: [true] } }, 4, "document.patches.mask has 1 entries for 4 embeddings"],
  [{ grid: [2, 2], patches: { mask: [1] as unknown as boolean[] } }, 4, "document.patches.mask[0] is a number; expected a boolean"],
  [{ grid: [2, 2], patches: { mask: [], offset: 1 } }, 4, "document.patches.offset and document.patches.mask are both given"],
  [{ grid: [4, 4], patches: { tile: 3 } }, 16, "document.patches.tile is 3, and document.grid is 4 × 4"],
  [{ grid: [4, 4], patches: { tile: 2 } }, 18, "document.grid is 4 × 4, and 18 embeddings can be of patches"],
  [{ grid: [4, 4], patches: { tile: 0 } }, 16, "document.patches.tile is 0; expected a positive integer"],
  [{ grid: [4, 4], patches: { tiles: 2 } as object }, 16, "document.patches.tiles is no setting; there are offset, tile, mask"],
  [{ grid: [4, 0] }, 16, "document.grid is 4 × 0"],
  [{ grid: [4] as unknown as [number, number] }, 16, "document.grid has 1 entries; expected two"],
  [{ grid: [2 ** 32, 1] }, 16, "document.grid[0] is 4294967296; expected a number from 0 to 4294967295"],
  [{ grid: [2, 2], page: [1, Number.NaN] }, 4, "document.page[1] is NaN; expected a finite number"],
  [{ grid: [2, 2], page: [-1, 1] }, 4, "document.page[0] is -1; expected a number from 0"],
  [{ page: [1, 1] }, 4, "document.page is given, and document.grid is not"],
  [{ patches: { offset: 1 } }, 4, "document.patches is given, and document.grid is not"],
])("%j with %i embeddings is refused", (fields, embeddings, message) => {
  expect(() => patchesOf(fields, embeddings, "document")).toThrow(expect.objectContaining({ code: "INVALID_INPUT", message }));
});
