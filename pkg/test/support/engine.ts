/** An engine without numbers: it wants a few files, scores a text by its length, and can be told to fail. */

import { MANIFEST } from "../../src/files.js";
import type { CodecAnswer, ConvertOptions, Cost, KeptCodec, KeptVectors, PageAnswer, PageLayout, VectorGroup, Windows } from "../../src/protocol.js";
import { codeBytes } from "../../src/page/rows.js";
import type { Device, DeviceChoice, Dtype, Explanation, ModelInfo, Pooling, TokenPooling } from "../../src/types.js";
import type { Checkpoint, DocumentVectors, Encoded, Engine, EngineModule, Hooks, MadeBundle, PageSettings, Picture, Ranked, ReadPart, RerankSettings, ResidualCodecHandle, ScoredDocuments, WantedFile } from "../../src/worker/engine.js";
import { Decoder } from "../../src/worker/decoder.js";
import { FakeIndex } from "./search-index.js";

export const INFO: ModelInfo = {
  kind: "lateInteraction",
  architecture: "bert",
  lateInteraction: false,
  dimension: 2,
  normalized: true,
  pagesOnly: false,
  similarity: "maxsim",
  layers: 1,
  hiddenSize: 2,
  vocabularySize: 10,
  queryLength: 8,
  documentLength: 8,
  queryExpansion: false,
  pooling: "mean",
  activation: null,
  weightBytes: 100,
  embeddingId: "v1-0123456789abcdef0123456789abcdef",
  dtype: "f32",
};

/** Rounds of files, as a real checkpoint asks for some only after it has read others. */
export const ROUNDS: WantedFile[][] = [
  [
    { name: "config.json", optional: false },
    { name: "modules.json", optional: true },
  ],
  [
    { name: "tokenizer.json", optional: false },
    { name: "1_Dense/model.safetensors", optional: true },
    { name: "model.safetensors", optional: false },
  ],
];

export class FakeCheckpoint implements Checkpoint, MadeBundle {
  readonly added = new Map<string, Uint8Array>();
  readonly missing = new Set<string>();
  readonly headers = new Map<string, { header: Uint8Array; size: number }>();
  #rounds: WantedFile[][];
  #manifest: Manifest | undefined;
  #wantsPages = false;

  constructor(rounds = ROUNDS) {
    this.#rounds = [[{ name: MANIFEST, optional: true }], ...rounds];
  }

  wantPages(alone: boolean): void {
    this.#wantsPages = alone;
  }

  get isBundle(): boolean {
    return this.#manifest !== undefined;
  }

  get dtype(): Dtype | undefined {
    return this.#manifest?.dtype;
  }

  wanted(): WantedFile[] {
    const open = ({ name }: WantedFile) => !this.added.has(name) && !this.headers.has(name) && !this.missing.has(name);
    return this.#rounds.map((round) => round.filter(open)).find((round) => round.length > 0) ?? [];
  }

  add(name: string, bytes: Uint8Array, hash = hashOf(bytes)): void {
    if (name === MANIFEST) this.#read(new TextDecoder().decode(bytes));
    const listed = [...(this.#manifest?.files ?? []), ...(this.#manifest?.pages ?? [])].find((file) => file.name === name);
    if (listed && hash !== listed.sha256) throw engineError("INTEGRITY_FAILED", `${name} has another hash`);
    this.added.set(name, bytes.slice());
  }

  addHeader(name: string, header: Uint8Array, size: number): void {
    this.headers.set(name, { header: header.slice(), size });
  }

  requireRoom(): void {}

  addMissing(name: string): void {
    const optional = this.#rounds.flat().find((file) => file.name === name)?.optional;
    if (!optional) throw engineError("CHECKPOINT_INVALID", `${name} is missing`);
    this.missing.add(name);
  }

  names(): string[] {
    return [...this.added.keys()];
  }

  take(name: string): Uint8Array {
    const bytes = this.added.get(name)!;
    this.added.delete(name);
    return bytes;
  }

  free(): void {
    this.added.clear();
  }

  #read(manifest: string): void {
    if (!manifest.endsWith("}")) throw engineError("BUNDLE_INVALID", "the manifest is no JSON");
    this.#manifest = JSON.parse(manifest) as Manifest;
    if (this.#manifest.version !== VERSION) throw engineError("BUNDLE_VERSION", "the bundle is of another version");
    const { files, pages = [] } = this.#manifest;
    const wanted = this.#wantsPages ? [...files.filter(({ name }) => !name.endsWith(".safetensors")), ...pages] : files;
    this.#rounds = [wanted.map((file) => ({ ...file, optional: false }))];
  }
}

const VERSION = 1;

interface Manifest {
  version: number;
  dtype: Dtype;
  files: { name: string; bytes: number; sha256: string }[];
  pages?: { name: string; bytes: number; sha256: string }[];
}

/** A bundle's files, with a manifest that the fake engine understands: `files` lists the weights too, which `weights` names. */
export function bundleOf(dtype: string, files: Record<string, Uint8Array<ArrayBuffer>>, more: object = {}): Record<string, Uint8Array<ArrayBuffer>> {
  const listed = Object.entries(files).map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: hashOf(bytes) }));
  const weights = listed.filter(({ name }) => name.endsWith(".safetensors"));
  const manifest = JSON.stringify({ version: VERSION, dtype, files: listed, weights, ...more });
  return { [MANIFEST]: new TextEncoder().encode(manifest), ...files };
}

declare const process: { getBuiltinModule(name: "node:crypto"): { createHash(kind: "sha256"): { update(bytes: Uint8Array): { digest(form: "hex"): string } } } };

export function hashOf(bytes: Uint8Array): string {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest("hex");
}

/** The weights' bytes inverted, cut into shards. They are read from the end on, two parts at a time. */
async function convert(checkpoint: FakeCheckpoint, { dtype, ...origin }: ConvertOptions, hooks: Hooks, read: ReadPart): Promise<FakeCheckpoint> {
  hooks.stage?.("convert");
  const weights = (await readBackwards(checkpoint, "model.safetensors", read)).map((byte) => ~byte);
  await hooks.batch?.(1, 1);
  const half = weights.length >> 1;
  const shards = { "weights-00001-of-00002.safetensors": weights.slice(0, half), "weights-00002-of-00002.safetensors": weights.slice(half) };
  const bundle = new FakeCheckpoint();
  for (const [name, bytes] of Object.entries(bundleOf(dtype, { "config.json": checkpoint.take("config.json") as Uint8Array<ArrayBuffer>, ...shards }, origin))) bundle.add(name, bytes);
  return bundle;
}

async function readBackwards(checkpoint: FakeCheckpoint, name: string, read: ReadPart): Promise<Uint8Array<ArrayBuffer>> {
  const { header, size } = checkpoint.headers.get(name)!;
  const bytes = new Uint8Array(size);
  bytes.set(header);
  const middle = (header.length + size) >> 1;
  const parts = [[middle, size], [header.length, middle]] as const;
  for (const { start, coming } of parts.map(([start, end]) => ({ start, coming: read(name, start, end) }))) bytes.set(await coming, start);
  return bytes;
}

export function engineError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

interface Row {
  text: string;
  index: number;
  scores: number[];
  ranks: number[];
}

/** What the stages make of a text. */
const SCORES = {
  bm25: (text: string) => text.charCodeAt(0),
  dense: (text: string) => -text.length / 100,
  late: (text: string) => text.length,
  crossEncoder: (text: string) => 1 / text.length,
};

export class FakeEngine implements Engine {
  warnings = [{ code: "NO_LATE_INTERACTION_HEAD", message: "plain encoder" }];
  info = INFO;
  readonly gpuFault: string | undefined = undefined;
  readonly gpuKernel: Engine["gpuKernel"] = undefined;
  hasPages = false;
  /** What was added of the page side. */
  readonly pageFiles: string[][] = [];
  /** Tiles that were read, as parts of which pictures. */
  readonly tiles: [picture: FakePicture, start: number, end: number][] = [];
  /** Called before each tile. */
  beforeTile: (tile: number) => void | Promise<void> = () => {};
  /** Called before each text; may throw, wait, or pause as between two layers. */
  beforeText: (text: string, pause: () => boolean | Promise<boolean>) => void | Promise<void> = () => {};
  /** UTF-16 units of a text that are read. */
  longest = 8;
  readonly started: string[] = [];
  /** What each ranking was asked for. */
  readonly asked: RerankSettings[] = [];
  /** Of each call, the windows that were asked for. */
  readonly windows: (Windows | undefined)[] = [];
  /** Of each ranking, the embeddings that its documents brought. */
  readonly vectors: VectorGroup[][] = [];
  /** Of what comes in. */
  rankingWarnings: { code: string; message: string }[] = [];
  /** Of each call that encodes, what was asked for. */
  readonly tokenPoolings: (TokenPooling | undefined)[] = [];

  constructor(public device: Device = "cpu") {}

  async rerank(query: string | Float32Array, documents: string[], options: RerankSettings, hooks: Hooks, vectors?: FakeVectors): Promise<Ranked> {
    const { stages = [{ use: "late" }], topK = documents.length, explain, profile, given, windows, keep } = options;
    this.started.push(typeof query === "string" ? query : "(embeddings)");
    this.asked.push(options);
    this.windows.push(windows);
    this.tokenPoolings.push(options.tokenPooling);
    this.vectors.push(vectors?.groups ?? []);
    const brought = vectors?.rows() ?? new Map<number, number>();
    const places = [...documents.keys()].filter((place) => !brought.has(place));
    const isAlone = stages.length === 1 && stages[0]!.use in SCORES;
    const tell = (place: number) => isAlone && hooks.scored?.(Uint32Array.of(places[place]!), Float32Array.of(SCORES[stages[0]!.use as keyof typeof SCORES](documents[places[place]!]!)), 4);
    const read = await this.#texts(places.map((place) => documents[place]!), hooks, tell);
    const late = places.slice(read);
    const unscored = late.map((place) => documents[place]!);
    let left = documents.map((text, index): Row => ({ text, index, scores: [], ranks: [] })).filter(({ index }) => !late.includes(index));
    for (const [place, stage] of stages.entries()) {
      const { use, keep } = stage;
      hooks.ranking?.(place, Uint32Array.from(left, ({ index }) => index));
      for (const row of left) row.scores.push(stage.use === "scored" ? stage.scores[row.index]! : use === "given" ? given![row.index]! : use === "late" && brought.has(row.index) ? brought.get(row.index)! : SCORES[use as keyof typeof SCORES](row.text));
      left = [...left].sort((a, b) => b.scores[place]! - a.scores[place]!).slice(0, keep);
      left.forEach((row, rank) => row.ranks.push(rank + 1));
    }
    if (!isAlone) hooks.scored?.(Uint32Array.from(left, ({ index }) => index), Float32Array.from(left, ({ scores }) => scores.at(-1)!), 4);
    const scored = left.slice(0, topK).length;
    const behind = late.map((index, place): Row => ({ text: unscored[place]!, index, scores: stages.map(() => Number.NaN), ranks: stages.map(() => 0) }));
    const best = [...left, ...behind].slice(0, topK);
    const queryTruncated = query.length > this.longest;
    return {
      indices: Uint32Array.from(best, ({ index }) => index),
      scored,
      unscored: late.length,
      cost: await this.cost(String(query), documents.slice(0, documents.length - late.length), {}),
      scores: Float32Array.from(best.flatMap(({ scores }) => scores)),
      ranks: Uint32Array.from(best.flatMap(({ ranks }) => ranks)),
      sameAs: Uint32Array.from(best, ({ text, index }) => (brought.has(index) ? index : documents.indexOf(text))),
      ...(keep && { kept: keptOf(documents, brought, keep) }),
      bound: 4,
      warnings: this.rankingWarnings,
      queryTruncated,
      truncated: Uint8Array.from(best, ({ text }) => (text.length > this.longest ? 1 : 0)),
      ...(explain && { explanations: best.map(({ text }) => ({ score: text.length, queryTruncated, truncated: text.length > this.longest, matches: [] })) }),
      ...(profile && { parts: { products: 4, attention: 3, norms: 2, quantize: 1 } }),
    };
  }

  async encode(_kind: string, texts: string[], options: { pooling: Pooling; tokenPooling?: TokenPooling; windows?: Windows }, hooks: Hooks): Promise<Encoded> {
    this.windows.push(options.windows);
    this.tokenPoolings.push(options.tokenPooling);
    await this.#texts(texts, hooks);
    return { parts: texts.map((text) => Float32Array.of(text.length, 0)), lengths: new Uint32Array(texts.length).fill(1), dimension: 2, truncated: Uint8Array.from(texts, (text) => (text.length > this.longest ? 1 : 0)) };
  }

  /** A token for each letter. */
  async cost(query: string, documents: string[], _: { windows?: Windows }): Promise<Cost> {
    return { tokens: documents.reduce((sum, { length }) => sum + length, query.length), pairs: 0 };
  }

  async explain(query: string, document: string, options: { windows?: Windows }): Promise<Explanation> {
    this.windows.push(options.windows);
    return { score: 1, queryTruncated: query.length > this.longest, truncated: document.length > this.longest, matches: [] };
  }

  async addPages(checkpoint: Checkpoint): Promise<void> {
    this.pageFiles.push((checkpoint as FakeCheckpoint).names());
    this.hasPages = true;
  }

  /** Tiles of 10 pixels, or of the longest edge that is asked for, and one of the whole page. */
  pageLayout(width: number, height: number, { longestEdge = 10 }: PageSettings): PageLayout {
    const [rows, columns] = [Math.ceil(height / longestEdge), Math.ceil(width / longestEdge)];
    return { tiles: rows * columns + 1, rows, columns };
  }

  /** A tile's number, and the first value of its picture. */
  async tileFeatures(picture: Picture, start: number, end: number, _: PageSettings, hooks: Hooks): Promise<Float32Array> {
    if (!this.hasPages) throw engineError("INTERNAL", "tiles came before the page side");
    this.tiles.push([picture as FakePicture, start, end]);
    for (let tile = start; tile < end; tile++) {
      await this.beforeTile(tile);
      if (!(await hooks.batch?.(tile - start + 1, end - start))) throw engineError("ABORTED", "stopped");
    }
    return Float32Array.from({ length: 2 * (end - start) }, (_, at) => (at % 2 === 0 ? start + at / 2 : (picture as FakePicture).rgba[0]!));
  }

  /** A row for each tile, of one patch; with those around them one more in front. */
  async pageEmbeddings(features: Float32Array, width: number, height: number, { onlyPatches = false, keep = "f32", ...settings }: PageSettings & { onlyPatches?: boolean; keep?: KeptCodec }): Promise<PageAnswer> {
    const { rows: gridRows, columns } = this.pageLayout(width, height, settings);
    const values = onlyPatches ? features : Float32Array.of(-1, -1, ...features);
    const rows = values.length / 2;
    const codes = keep === "f32" ? new Uint8Array(values.slice().buffer) : Uint8Array.from(values);
    const patches = new Uint8Array(rows).fill(1);
    if (!onlyPatches) patches[0] = 0;
    return { codec: keep, dimension: 2, rows, codes: codes.slice(0, rows * codeBytes(keep, 2)), ...(keep === "int8" && { scales: new Float32Array(rows).fill(1) }), grid: [gridRows, columns], page: [width, height], tile: 1, patches };
  }

  /** How many there was time for. */
  async #texts(texts: string[], hooks: Hooks, tell: (place: number) => unknown = () => {}): Promise<number> {
    for (const [index, text] of texts.entries()) {
      if (hooks.over?.()) return index;
      hooks.stage?.("tokenize");
      hooks.stage?.("encode");
      await this.beforeText(text, () => hooks.pause?.() ?? true);
      tell(index);
      if (!(await hooks.batch?.(index + 1, texts.length))) throw engineError("ABORTED", "stopped");
    }
    hooks.stage?.("score");
    return texts.length;
  }
}

export class FakePicture implements Picture {
  /** Those that were not freed. */
  static held = 0;

  constructor(
    readonly width: number,
    readonly height: number,
    readonly rgba: Uint8Array,
  ) {
    FakePicture.held++;
  }

  free(): void {
    FakePicture.held--;
  }
}

/** A row for each letter of what was encoded. */
function keptOf(documents: string[], brought: ReadonlyMap<number, number>, codec: KeptCodec): KeptVectors {
  const places = Uint32Array.from([...documents.keys()].filter((place) => !brought.has(place)));
  const lengths = places.map((place) => documents[place]!.length);
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  return { codec, dimension: 2, lengths, places, codes: new Uint8Array(codeBytes(codec, 2) * rows), ...(codec === "int8" && { scales: new Float32Array(rows) }), truncated: new Uint8Array(places.length) };
}

type Load = (checkpoint: FakeCheckpoint, options: { device: DeviceChoice; gpuUnavailable?: string; gpuKernel?: string }, hooks: Hooks) => Promise<Engine>;

/** What was added; a document's score is the number of its rows. */
export class FakeVectors implements DocumentVectors {
  readonly groups: VectorGroup[] = [];

  add(codec: string, dimension: number, lengths: Uint32Array, places: Uint32Array, codes: Uint8Array, scales?: Float32Array): void {
    this.groups.push({ codec: codec as VectorGroup["codec"], dimension, lengths, places, codes, ...(scales && { scales }) });
  }

  addResidual({ info }: ResidualCodecHandle, lengths: Uint32Array, places: Uint32Array, codes: Uint8Array, residuals: Uint8Array): void {
    const { id: codecId, dimension } = info;
    this.groups.push({ codec: "residual", dimension, lengths, places, codes, residuals, codecId });
  }

  rows(): Map<number, number> {
    return new Map(this.groups.flatMap(({ lengths, places }) => Array.from(places, (place, at) => [place, lengths[at]!] as const)));
  }

  free(): void {}

  [Symbol.dispose](): void {}
}

/** A codec whose file says what it is, in JSON. */
export class FakeCodec implements ResidualCodecHandle {
  readonly info: CodecAnswer;

  constructor(file: Uint8Array) {
    const text = new TextDecoder().decode(file);
    if (!text.startsWith("{")) throw engineError("INVALID_INPUT", "the codec is none");
    this.info = JSON.parse(text) as CodecAnswer;
  }

  free(): void {}

  [Symbol.dispose](): void {}
}

/** Scores a query's first value times the number of a document's rows. */
class FakeDocuments implements ScoredDocuments {
  constructor(
    readonly vectors: FakeVectors,
    readonly documents: number,
  ) {}

  maxsim(query: Float32Array, mean: boolean): Float32Array {
    const rows = query.length / (this.vectors.groups[0]?.dimension ?? 1);
    const lengths = this.vectors.rows();
    return Float32Array.from({ length: this.documents }, (_, place) => (query[0]! * (lengths.get(place) ?? 0)) / (mean ? rows : 1));
  }

  /** A query's first value times the number of the document's row. */
  similarities(query: Float32Array): Float32Array {
    const queries = query.length / (this.vectors.groups[0]?.dimension ?? 1);
    const rows = this.vectors.rows().get(0) ?? 0;
    return Float32Array.from({ length: queries * rows }, (_, place) => query[0]! * (place % rows));
  }

  free(): void {}
}

export interface FakeModule extends EngineModule<FakeCheckpoint> {
  /** As the engine does from its panic hook. */
  panic(message: string): void;
}

/** Of files with as many pixels in a row as they have bytes. */
export function fakeDecoder(): Decoder {
  class DecodedPicture {
    readonly height = 1;
    readonly width: number;

    constructor(file: Uint8Array) {
      this.width = file.length;
    }

    intoRgba(): Uint8Array {
      return new Uint8Array(4 * this.width);
    }
  }
  return new Decoder({ init: async () => {}, DecodedPicture });
}

export function fakeModule(load: Load = async () => new FakeEngine()): FakeModule {
  let onPanic: (message: string) => void = () => {};
  return {
    init: async () => {},
    onPanic: (callback) => (onPanic = callback),
    panic: (message) => onPanic(message),
    simd: () => "simd128",
    productForms: () => ["only"],
    useProductForm: () => true,
    measureProductForms: () => [],
    Checkpoint: FakeCheckpoint,
    Picture: FakePicture,
    convert,
    DocumentVectors: FakeVectors,
    ResidualCodecHandle: FakeCodec,
    checkOperations: async (device, seed) => [{ operation: `linear on ${device}`, shape: `seed ${seed}`, relative: 0.5, allowed: 1 }],
    ScoredDocuments: FakeDocuments as unknown as FakeModule["ScoredDocuments"],
    SearchIndex: FakeIndex,
    Engine: { load },
  };
}
