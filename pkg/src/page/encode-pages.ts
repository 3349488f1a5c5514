/**
 * Encodes pages in turn, so that the memory it takes is one page's, however many there are: a page is decoded by one worker, its tiles are read by all, and one makes
 * the page's embeddings of what those have become. The others read the next page's tiles meanwhile.
 */

import type { EncodePagesOptions, GivenPage } from "../pages.js";
import type { KeptCodec, PageAnswer, PixelsAnswer, PixelsAtHand } from "../protocol.js";
import type { DocumentEmbeddings } from "../vectors.js";
import { invalid } from "./invalid.js";
import { reworded } from "./names.js";
import { checkEncodePages } from "./options.js";
import type { Own } from "./own.js";
import { PageCache, type PageCircumstances } from "./page-cache.js";
import { pagesOf, type ReadPage, readPage, requirePages } from "./page-input.js";
import { PagesMeter } from "./pages-meter.js";
import { ARRAYS, type ArrayKind } from "./rows.js";

/** What the pages of a call have in common. */
interface Shared {
  own: Own;
  longestEdge: number | undefined;
  onlyPatches: boolean | undefined;
  cache: PageCache | undefined;
  signal: AbortSignal | undefined;
  meter: PagesMeter;
}

/** Pages that were sent to workers, which tell them apart by it. */
let pages = 0;

export async function encodePages(own: Own, given: readonly GivenPage[], options: EncodePagesOptions): Promise<DocumentEmbeddings[]> {
  const { signal, onProgress, vectorCache = true, longestEdge, onlyPatches } = checkEncodePages(options);
  requirePages(own.model);
  const list = pagesOf(given, own.limits);
  own.client.requireOpen(signal);
  const cache = vectorCache && own.cache ? new PageCache(own.cache, own.model) : undefined;
  const shared = { own, longestEdge, onlyPatches, cache, signal, meter: new PagesMeter(list.length, onProgress) };
  const encoded: DocumentEmbeddings[] = [];
  let before: Promise<void> | undefined;
  for (const [index, page] of list.entries()) {
    const finish = await begun(page, `pages[${index}]`, shared);
    const finishing = finish().then((answer) => void (encoded[index] = documentOf(answer, own.model.embeddingId)));
    // What it fails with is told when it is waited for.
    finishing.catch(() => {});
    await before;
    own.client.requireOpen(signal);
    before = finishing;
    if (index === list.length - 1) await finishing;
    shared.meter.pageDone();
  }
  return encoded;
}

/** What is left to do for a page whose tiles were read, or nothing where the cache knows it. Until that is done no other device takes over. */
async function begun(given: GivenPage, place: string, shared: Shared): Promise<() => Promise<PageAnswer>> {
  const { own, cache, longestEdge, onlyPatches } = shared;
  const { width, height, rgba } = await decodedPage(own, await readPage(given, place, own.limits), place, shared.signal);
  const hash = await cache?.hashOf(rgba as Uint8Array<ArrayBuffer>);
  const picture = { page: ++pages, width, height, rgba: new Blob([rgba as Uint8Array<ArrayBuffer>]) };
  const release = own.client.hold();
  try {
    const circumstances: PageCircumstances = { device: own.client.device, longestEdge, onlyPatches };
    const known = hash === undefined ? undefined : await cache!.find(hash, [width, height], circumstances);
    const finish = known ? async () => known : await readTiles(picture, shared);
    return async () => {
      try {
        const answer = await finish();
        // A device that was lost on the way has left a part of it to the other, whose numbers are not the same to the last bit.
        if (!known && hash !== undefined && own.client.device === circumstances.device) cache!.keep(hash, [width, height], circumstances, answer);
        return answer;
      } finally {
        release();
      }
    };
  } catch (error) {
    release();
    throw reworded(error, (message) => message.replace(/^the (page|picture)\b/, place));
  }
}

async function readTiles(picture: PixelsAtHand, { own, longestEdge, onlyPatches, cache, signal, meter }: Shared): Promise<() => Promise<PageAnswer>> {
  const { client } = own;
  await own.pageSide.open({ signal, onProgress: (progress) => meter.fetched(progress) });
  const { page, width, height } = picture;
  const [layout] = await client.call("layouts", { sizes: [[width, height]], longestEdge }, { signal });
  const tiles = layout!.tiles;
  meter.begins(tiles);
  const begin = performance.now();
  const features = await client.call("tiles", { picture, start: 0, end: tiles, longestEdge }, { signal, onProgress: (progress) => meter.tiles(progress) });
  return async () => {
    const answer = await client.call("page", { page, features, width, height, longestEdge, onlyPatches, keep: cache?.codec }, { signal });
    own.pageRate.add(client.device, { tiles, milliseconds: performance.now() - begin });
    return answer;
  };
}

/** By a worker, unless the page has done it. What cannot cross says so in words of its own. */
export async function decodedPage(own: Own, page: ReadPage, place: string, signal: AbortSignal | undefined): Promise<PixelsAnswer> {
  if ("pixels" in page) return page.pixels as PixelsAnswer;
  try {
    return await own.client.call("pixels", { picture: page.picture, most: own.limits.pagePixels, wasm: own.imagesWasm }, { signal });
  } catch (error) {
    if (error instanceof Error && error.cause instanceof DOMException && error.cause.name === "DataCloneError") throw invalid(`${place} cannot be read: it was closed, or holds what another site does not let this one see`, undefined, error.cause);
    throw reworded(error, (message) => (message.startsWith("the page ") ? message.replace("the page", place) : `${place}: ${message}`));
  }
}

/** As rankings, explanations and lists take it. */
function documentOf({ codec, dimension, codes, scales, grid, page, tile, patches }: PageAnswer, embeddingId: string): DocumentEmbeddings {
  return { codec, dimension, embeddingId, embeddings: numbersOf(codec, codes), ...(scales && { scales }), grid, page, patches: { ...(tile !== undefined && { tile }), mask: patches } };
}

function numbersOf(codec: KeptCodec, { buffer, byteOffset, byteLength }: Uint8Array): NonNullable<DocumentEmbeddings["embeddings"]> {
  const { type } = ARRAYS[codec].embeddings as ArrayKind;
  return new type(buffer, byteOffset, byteLength / type.BYTES_PER_ELEMENT) as Float32Array;
}
