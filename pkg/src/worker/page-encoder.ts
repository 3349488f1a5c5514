/** Pages, as a worker encodes them: their tiles one after the other, of which other workers may do some, and then all that those have become as one page. */

import type { LayoutsRequest, OpenPagesRequest, PageAnswer, PageLayout, PageRequest, PixelsAtHand, TilesRequest } from "../protocol.js";
import { gather } from "./checkpoint-source.js";
import type { Checkpoint, Engine, EngineModule, Hooks, PageSettings, Picture } from "./engine.js";
import { GivenFiles } from "./given-files.js";
import { LoadMeter } from "./load-meter.js";

export class PageEncoder<C extends Checkpoint> {
  readonly #module: EngineModule<C>;
  readonly #engine: Engine;
  /** Whether the page side could be loaded; an error is for each call that needs it. */
  #opened: Promise<void> | undefined;
  /** The page of the last call, which the next one is about too as a rule. */
  #held: { page: number; picture: Picture } | undefined;

  constructor(module: EngineModule<C>, engine: Engine) {
    this.#module = module;
    this.#engine = engine;
  }

  /** More than once is no more than once. */
  async open({ files }: OpenPagesRequest, hooks: Hooks): Promise<Record<never, never>> {
    if (!this.#engine.hasPages) {
      this.#opened = this.#load(files, hooks);
      await this.#opened;
    }
    return {};
  }

  layouts({ sizes, longestEdge }: LayoutsRequest): PageLayout[] {
    return sizes.map(([width, height]) => this.#engine.pageLayout(width, height, settingsOf(longestEdge)));
  }

  async tiles({ picture, start, end, longestEdge }: TilesRequest, hooks: Hooks): Promise<Float32Array> {
    await this.#opened;
    return this.#engine.tileFeatures(await this.#pictureOf(picture), start, end, settingsOf(longestEdge), hooks);
  }

  async page({ page, features, width, height, longestEdge, onlyPatches, keep }: PageRequest, hooks: Hooks): Promise<PageAnswer> {
    await this.#opened;
    if (this.#held?.page === page) this.#letGo();
    const settings = { ...settingsOf(longestEdge), ...(onlyPatches !== undefined && { onlyPatches }), ...(keep && { keep }) };
    return this.#engine.pageEmbeddings(features, width, height, settings, hooks);
  }

  async #load(files: Record<string, Blob>, hooks: Hooks): Promise<void> {
    const checkpoint = new this.#module.Checkpoint();
    checkpoint.wantPages(true);
    try {
      await gather(checkpoint, new GivenFiles(files), new LoadMeter(() => {}));
    } catch (error) {
      checkpoint.free();
      throw error;
    }
    await this.#engine.addPages(checkpoint, hooks);
  }

  async #pictureOf({ page, width, height, rgba }: PixelsAtHand): Promise<Picture> {
    if (this.#held?.page === page) return this.#held.picture;
    this.#letGo();
    const picture = new this.#module.Picture(width, height, new Uint8Array(await rgba.arrayBuffer()));
    this.#held = { page, picture };
    return picture;
  }

  #letGo(): void {
    this.#held?.picture.free();
    this.#held = undefined;
  }
}

function settingsOf(longestEdge: number | undefined): PageSettings {
  return longestEdge === undefined ? {} : { longestEdge };
}
