/** Where on a page image does an embedding lie? The grid that a page brings along, in the orders in which models write their patches. */

import type { Explanation, Patch, PlacedExplanation, SimilarityMap } from "../types.js";
import type { DocumentEmbeddings, PatchOrder } from "../vectors.js";
import { checked } from "./checks.js";
import { itemsOf, lengthOf, readField, requireCount, requireFinite, requireKind, requireKnown } from "./input.js";
import { invalid, isA } from "./invalid.js";

/** What a page says of its embeddings. */
export type PageFields = Pick<DocumentEmbeddings, "grid" | "page" | "patches">;

/** Of a page's embeddings. */
const MOST_ROWS = 1_000_000;

const ORDER = { offset: requireCount(0), tile: requireCount(1), mask: () => {} };

/** A page's patches by the rows of its embeddings. */
export class Patches {
  /** Of each patch's embedding, in their order, its place in the grid, row by row; behind the grid follow those of the overview. */
  readonly #cells = new Map<number, number>();
  readonly grid: readonly [rows: number, columns: number];
  readonly page: readonly [width: number, height: number];
  readonly #tile: number | undefined;

  /** `rows`: of the patches' embeddings. */
  constructor(grid: readonly [number, number], page: readonly [number, number], tile: number | undefined, rows: readonly number[]) {
    this.grid = grid;
    this.page = page;
    this.#tile = tile;
    rows.forEach((row, place) => this.#cells.set(row, this.#cellOf(place)));
  }

  /** Whether the patches are the first embeddings, row by row. */
  get areFirst(): boolean {
    return this.#tile === undefined && [...this.#cells].every(([row, cell]) => row === cell);
  }

  /** Their embeddings' rows as they lie on the page, row by row, and then those of the overview. */
  get inOrder(): number[] {
    return [...this.#cells].sort(([, a], [, b]) => a - b).map(([row]) => row);
  }

  /** Nothing for the embedding of another token. */
  at(row: number): Patch | undefined {
    const cell = this.#cells.get(row);
    const [rows, columns] = this.grid;
    if (cell === undefined) return undefined;
    if (cell < rows * columns) return this.#patch(cell, this.grid);
    return { ...this.#patch(cell - rows * columns, [this.#tile!, this.#tile!]), overview: true };
  }

  /** Of the similarities of one query token with all embeddings; the overview is no part of it. */
  mapOf(similarities: Float32Array): SimilarityMap {
    const [rows, columns] = this.grid;
    const values = new Float32Array(rows * columns);
    for (const [row, cell] of this.#cells) if (cell < values.length) values[cell] = similarities[row]!;
    return { rows, columns, values };
  }

  /** The place in the grid of the patch that comes at a place among the patches: tile after tile, if there are tiles. */
  #cellOf(place: number): number {
    const [rows, columns] = this.grid;
    const tile = this.#tile;
    if (tile === undefined || place >= rows * columns) return place;
    const [number, inside] = [Math.floor(place / tile ** 2), place % tile ** 2];
    const across = columns / tile;
    const row = Math.floor(number / across) * tile + Math.floor(inside / tile);
    return row * columns + (number % across) * tile + (inside % tile);
  }

  #patch(cell: number, [rows, columns]: readonly [number, number]): Patch {
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    const [width, height] = [this.page[0] / columns, this.page[1] / rows];
    return { row, column, rectangle: { x: column * width, y: row * height, width, height } };
  }
}

/** Of a document with `embeddings` rows; nothing where it is no page. Each field is read once. */
export function patchesOf(given: PageFields, embeddings: number, place: string): Patches | undefined {
  const { grid, page = [1, 1], order } = fieldsOf(given, place);
  if (!grid) return undefined;
  const { tile, offset = 0, mask } = order;
  if (tile !== undefined && grid.some((side) => side % tile !== 0)) throw invalid(`${place}.patches.tile is ${tile}, and ${place}.grid is ${grid.join(" × ")}`);
  const count = grid[0] * grid[1];
  const rows = mask ? placesIn(mask) : Array.from({ length: Math.max(embeddings - offset, 0) }, (_, row) => offset + row);
  if (mask && mask.length !== embeddings) throw invalid(`${place}.patches.mask has ${mask.length} entries for ${embeddings} embeddings`);
  const whole = tile === undefined ? undefined : count + tile ** 2;
  // Behind patches that come row by row there may be tokens of a prompt.
  const fits = rows.length === count || rows.length === whole || (!mask && tile === undefined && rows.length > count);
  if (!fits) throw invalid(`${place}.grid is ${grid.join(" × ")}, and ${rows.length} embeddings can be of patches`);
  return new Patches(grid, page, tile, tile === undefined ? rows.slice(0, count) : rows);
}

/** An explanation that tells where on the page each match lies. */
export function onPage(explanation: Explanation, patches: Patches | undefined): PlacedExplanation {
  if (!patches) return explanation;
  const matches = explanation.matches.map((match) => {
    const patch = patches.at(match.document.row);
    return { ...match, ...(patch && { patch }) };
  });
  return { ...explanation, matches };
}

function fieldsOf(given: PageFields, place: string) {
  const grid = pairOf(readField(given, "grid", `${place}.grid`), `${place}.grid`, requireCount(0));
  const page = pairOf(readField(given, "page", `${place}.page`), `${place}.page`, requireSize);
  const order = orderOf(readField(given, "patches", `${place}.patches`), `${place}.patches`);
  // Lists have zeros for documents that are no pages.
  const isPage = grid !== undefined && grid.some((side) => side > 0);
  if (isPage && grid.includes(0)) throw invalid(`${place}.grid is ${grid.join(" × ")}`);
  if (!isPage && page?.some((side) => side > 0)) throw invalid(`${place}.page is given, and ${place}.grid is not`);
  if (!isPage && order) throw invalid(`${place}.patches is given, and ${place}.grid is not`);
  return { grid: isPage ? grid : undefined, page: page?.every((side) => side > 0) ? page : undefined, order: order ?? {} };
}

function pairOf(pair: readonly [number, number] | undefined, place: string, check: (value: unknown, place: string) => void): [number, number] | undefined {
  if (pair === undefined) return undefined;
  const length = lengthOf(pair, place);
  if (length !== 2) throw invalid(`${place} has ${length} entries; expected two`);
  return itemsOf(pair, place, 2, (value, at) => {
    check(value, at);
    return value;
  }) as [number, number];
}

function requireSize(value: unknown, place: string): void {
  requireFinite(value, place);
  if (value < 0) throw invalid(`${place} is ${value}; expected a number from 0`);
}

function orderOf(order: PatchOrder | undefined, place: string): (Omit<PatchOrder, "mask"> & { mask?: boolean[] }) | undefined {
  if (order === undefined) return undefined;
  requireKind("object", order, place);
  requireKnown(order, ORDER, place, "setting");
  const { mask, ...there } = checked(order, ORDER, `${place}.`, readField);
  if (mask === undefined) return there;
  if (there.offset !== undefined) throw invalid(`${place}.offset and ${place}.mask are both given`);
  return { ...there, mask: maskOf(mask, `${place}.mask`) };
}

function maskOf(mask: Uint8Array | readonly boolean[], place: string): boolean[] {
  if (isA(mask, Uint8Array)) return Array.from(mask, (flag) => flag !== 0);
  return itemsOf(mask as readonly boolean[], place, MOST_ROWS, (flag, at) => {
    requireKind("boolean", flag, at);
    return flag;
  });
}

function placesIn(mask: readonly boolean[]): number[] {
  return mask.flatMap((isPatch, row) => (isPatch ? [row] : []));
}
