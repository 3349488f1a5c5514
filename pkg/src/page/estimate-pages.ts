/** What would it take to encode pages? */

import type { EstimatePagesOptions, PagesEstimate, PageSize } from "../pages.js";
import { decodedPage } from "./encode-pages.js";
import { isA } from "./invalid.js";
import { checkEstimatePages } from "./options.js";
import type { Own } from "./own.js";
import { requirePages, sizesOf } from "./page-input.js";
import type { MeasuredTiles } from "./page-rate.js";
import { PagesMeter } from "./pages-meter.js";

/** What of a page is no tile's: its text tower's work, in tiles' time. */
const REST = 1.1;

/** Pixels of a blank page's side: it is enlarged like any other. */
const BLANK = 8;

export async function estimatePages(own: Own, given: readonly (PageSize | Blob)[], options: EstimatePagesOptions): Promise<PagesEstimate> {
  const { signal, onProgress, longestEdge } = checkEstimatePages(options);
  requirePages(own.model);
  const list = sizesOf(given, own.limits);
  own.client.requireOpen(signal);
  const sizes: [number, number][] = [];
  for (const [index, page] of list.entries()) {
    // Of a file it is known once it was decoded.
    const { width, height } = isA(page, Blob) ? await decodedPage(own, { picture: page }, `pages[${index}]`, signal) : page;
    sizes.push([width, height]);
  }
  const meter = new PagesMeter(list.length, onProgress);
  await own.pageSide.open({ signal, onProgress: (progress) => meter.fetched(progress) });
  const layouts = await own.client.call("layouts", { sizes, longestEdge }, { signal });
  const tiles = layouts.reduce((sum, layout) => sum + layout.tiles, 0);
  const known = own.pageRate.of(own.client.device);
  const measured = known ? { by: "calls" as const, ...known } : { by: "sample" as const, ...(await sampled(own, signal)) };
  return { milliseconds: (tiles * measured.milliseconds) / measured.tiles, pages: list.length, tiles, measured };
}

/** A tile of a blank page by one worker, whose time is shared by those that there are. */
async function sampled(own: Own, signal: AbortSignal | undefined): Promise<MeasuredTiles> {
  const rgba = new Blob([new Uint8Array(4 * BLANK ** 2).fill(255)]);
  const begin = performance.now();
  await own.client.call("tiles", { picture: { page: 0, width: BLANK, height: BLANK, rgba }, start: 0, end: 1 }, { signal });
  return { tiles: 1, milliseconds: (REST * (performance.now() - begin)) / own.client.choice.workers };
}
