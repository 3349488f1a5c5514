// Gives tests the built package as plain functions: what comes out is data, errors included.
import { EmbeddingList, Index, Reranker, RerankerError, ResidualCodec, Scorer } from "../package/index.js";

const rerankers = new Map();
const indexes = new Map();
const workers = [];
const faults = new BroadcastChannel("faults");
const struck = [];

faults.onmessage = ({ data }) => {
  if (data.struck) struck.push(data.struck);
};

/** Numbers the workers, so that a fault can be one of the first worker only. */
globalThis.Worker = class extends Worker {
  constructor(address, options) {
    const url = new URL(address);
    if (url.searchParams.has("fault")) url.searchParams.set("life", workers.length + 1);
    super(url, options);
    workers.push({ isLive: true, kill: () => this.kill() });
    this.record = workers.at(-1);
  }

  terminate() {
    this.record.isLive = false;
    super.terminate();
  }

  kill() {
    super.terminate();
  }
};

/** What a promise came to: `{ value }` or `{ error }`. */
async function outcome(promise) {
  try {
    return { value: await promise };
  } catch (error) {
    const { name, code, message, hint, retryable, details } = error;
    return { error: { name, code, message, hint, retryable, details, isOurs: error instanceof RerankerError } };
  }
}

/** A block that ends while a call is open. Where the engine has no `using`, as compilers translate it. */
function callWithin(reranker, query, documents) {
  try {
    return new Function("own", "query", "documents", "using reranker = own; return reranker.rerank(query, documents);")(reranker, query, documents);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const call = reranker.rerank(query, documents);
    reranker[Symbol.dispose ?? Symbol.for("Symbol.dispose")]();
    return call;
  }
}

/** In auto a GPU is tried once the load has ended: it takes over, or a warning says why not. */
async function settled(reranker) {
  const isSettled = () => reranker.device === "webgpu" || reranker.warnings.some(({ code }) => code === "WEBGPU_FALLBACK");
  while (!isSettled()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function load(name, source, options) {
  const seen = { progress: [], warnings: [] };
  const reranker = await Reranker.load(source, {
    ...options,
    onProgress: (progress) => seen.progress.push(progress),
    onWarning: (warning) => seen.warnings.push(warning),
  });
  rerankers.set(name, { reranker, seen });
  if ((options?.device ?? "auto") === "auto") await settled(reranker);
  return { device: reranker.device, simd: reranker.simd, model: reranker.model, gpuKernel: reranker.gpuKernel, warnings: [...reranker.warnings], ...seen };
}

async function rerank(name, query, documents, options) {
  const { results, device, warnings, timings } = await rerankers.get(name).reranker.rerank(query, documents, options);
  return { results, device, warnings, timings };
}

/** What listeners hear of a ranking, when they do, and what it comes to. */
async function partials(name, query, documents, options) {
  const heard = [];
  const begin = performance.now();
  const onPartial = (partial) => heard.push({ ...partial, at: performance.now() - begin });
  const { results, warnings } = await rerankers.get(name).reranker.rerank(query, documents, { ...options, onPartial });
  return { heard, results, warnings, time: performance.now() - begin };
}

/** By the embeddings that a list has of the documents, which have no text; `tables` are those of residuals. */
async function rerankList(name, query, { list, tables }, options) {
  const [embeddings, file] = await Promise.all([list, tables].map(async (url) => url && (await fetch(url)).arrayBuffer()));
  const documents = Array.from(EmbeddingList.from(embeddings), () => ({}));
  return rerank(name, query, documents, { ...options, embeddings, ...(file && { codecs: [ResidualCodec.from(file)] }) });
}

/** As options: a stage's model by its name here, and a document's given score is its own `given`. */
function withStages({ stages, ...options }) {
  const asStage = ({ model, ...stage }) => ({ ...stage, ...(model && { model: rerankers.get(model).reranker }), ...(stage.use === "given" && { score: ({ given }) => given }) });
  return { ...options, stages: stages.map(asStage) };
}

/** The outcome, and what was told of its progress. */
async function inStages(name, query, documents, options) {
  const progress = [];
  const { value, error } = await outcome(rerank(name, query, documents, { ...withStages(options), onProgress: (now) => progress.push(now) }));
  return { value, error, progress };
}

/** Rankings of a query and of its embeddings, and scores of embeddings by a Scorer. */
async function byEmbeddings(name, query, documents) {
  const { reranker } = rerankers.get(name);
  const [{ values: embeddings }, encoded] = [await reranker.encodeQuery(query), await reranker.encodeDocuments(documents)];
  const scores = (of) => of.results.toSorted((a, b) => a.index - b.index).map(({ score }) => score);
  const [plain, given] = [await reranker.rerank(query, documents), await reranker.rerank({ embeddings }, documents, { explain: true })];
  const scorer = await Scorer.load();
  const queries = { values: embeddings, lengths: Uint32Array.of(embeddings.length / encoded.dimension), dimension: encoded.dimension };
  const scored = { one: [...(await scorer.score(embeddings, encoded))], mean: [...(await scorer.similarity(queries, encoded, { measure: "meanmaxsim" }))] };
  scorer.dispose();
  return { plain: scores(plain), given: scores(given), matches: given.results[0].explanation.matches, rows: queries.lengths[0], ...scored };
}

const bytesAt = async (url) => (await fetch(url)).arrayBuffer();

/** `list` and `codec`: addresses of files; `numbers`: of bytes of the list, by their place from its end, other ones. `each`: in which form the documents bring their own. */
async function broughtTo(name, query, documents, { list, codec, numbers = {}, each, ...options }) {
  const embeddings = await bytesAt(list);
  const view = new DataView(embeddings);
  for (const [place, number] of Object.entries(numbers)) view.setFloat32(embeddings.byteLength - Number(place), number, true);
  const codecs = codec ? [ResidualCodec.from(await bytesAt(codec))] : [];
  const asked = documents.map((document, index) => (each ? { ...document, embeddings: FORMS[each](EmbeddingList.from(embeddings).at(index)) } : document));
  const { results, warnings, device } = await rerankers.get(name).reranker.rerank(query, asked, { codecs, ...options, ...(!each && { embeddings }) });
  return { results: results.map(({ document: _, ...result }) => result), warnings, device, left: embeddings.byteLength };
}

const NAMES = ["embeddings", "scales", "codes", "residuals"];

const FORMS = {
  arrays: (document) => document,
  base64: (document) => document && { ...document, ...Object.fromEntries(NAMES.filter((field) => document[field]).map((field) => [field, base64(document[field])])) },
  rows: (document) => document && Array.from({ length: document.embeddings.length / document.dimension }, (_, row) => [...document.embeddings.subarray(row * document.dimension, (row + 1) * document.dimension)]),
};

function base64({ buffer, byteOffset, byteLength }) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer, byteOffset, byteLength)));
}

/** Scores of a list without a model. */
async function scoredWithout(name, query, { list, codec }) {
  const { values } = await rerankers.get(name).reranker.encodeQuery(query);
  const scorer = await Scorer.load();
  const scores = await scorer.score(values, await bytesAt(list), { codecs: codec ? [ResidualCodec.from(await bytesAt(codec))] : [] });
  scorer.dispose();
  return [...scores];
}

/** `reranker`: its name here. */
async function openIndex(name, url, { reranker, ...options } = {}) {
  const progress = [];
  const index = await Index.open(url, { ...options, ...(reranker && { reranker: rerankers.get(reranker).reranker }), onProgress: (step) => progress.push(step) });
  indexes.set(name, index);
  return { info: index.info, progress };
}

/** By a text, or by the numbers of a query's embeddings. */
async function searchIndex(name, query, options) {
  const index = indexes.get(name);
  const output = await index.search(typeof query === "string" ? query : { embeddings: Float32Array.from(query) }, options);
  return { ...output, warnings: [...index.warnings] };
}

/** Aborts a search after so many milliseconds, and begins the next one at once. */
async function searchAborted(name, query, after, next) {
  const controller = new AbortController();
  const aborted = outcome(indexes.get(name).search(query, { signal: controller.signal }));
  await new Promise((resolve) => setTimeout(resolve, after));
  controller.abort();
  return [await aborted, await outcome(searchIndex(name, next))];
}

/** Aborts when `start` says so, and measures how late the promise rejects and how often `onProgress` is called after that. */
async function aborted(start) {
  const controller = new AbortController();
  const seen = { abortedAt: 0, after: 0 };
  const abort = () => {
    seen.abortedAt ||= performance.now();
    controller.abort();
  };
  const progress = (isTime) => (now) => {
    if (seen.abortedAt > 0) seen.after++;
    else if (isTime(now)) setTimeout(abort);
  };
  const { error } = await outcome(start(controller.signal, progress));
  const late = performance.now() - seen.abortedAt;
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { error, late, after: seen.after };
}

function abortLoad(source, phase) {
  return aborted((signal, progress) => Reranker.load(source, { signal, device: "cpu", onProgress: progress((now) => now.phase === phase && now.loaded > 0) }));
}

function abortRerank(name, query, documents) {
  const { reranker } = rerankers.get(name);
  return aborted((signal, progress) => reranker.rerank(query, documents, { signal, onProgress: progress(({ done }) => done > 0) }));
}

/** Aborts once more than `after` texts are done. */
function abortStages(name, query, documents, options, after) {
  const { reranker } = rerankers.get(name);
  return aborted((signal, progress) => reranker.rerank(query, documents, { ...withStages(options), signal, onProgress: progress(({ done }) => done > after) }));
}

/** Aborts a load after so many milliseconds. `late`: how much later it rejects; undefined where it had ended before. */
async function abortLoadAfter(source, milliseconds, options) {
  const controller = new AbortController();
  let abortedAt;
  setTimeout(() => {
    abortedAt = performance.now();
    controller.abort();
  }, milliseconds);
  const { value, error } = await outcome(Reranker.load(source, { device: "cpu", ...options, signal: controller.signal }));
  const late = abortedAt === undefined ? undefined : performance.now() - abortedAt;
  value?.dispose();
  return { error, late };
}

const smallCall = (reranker) => reranker.explain("two words", "two words");

/** Milliseconds of a small call, several times over. */
async function smallCalls(name, count) {
  const { reranker } = rerankers.get(name);
  const times = [];
  for (let call = 0; call < count; call++) {
    const begin = performance.now();
    await smallCall(reranker);
    times.push(performance.now() - begin);
  }
  return times;
}

/**
 * Aborts a rerank `after` milliseconds, or once `done` documents are. Tells how late it rejects, when a small call that was made right after is answered, and
 * how far the rerank had come; `error` is undefined where it had ended before.
 */
async function abortAt(name, query, documents, { after, done }) {
  const { reranker } = rerankers.get(name);
  const controller = new AbortController();
  let reached = 0;
  let call;
  await new Promise((resolve) => {
    if (after !== undefined) setTimeout(resolve, after);
    const onProgress = (progress) => {
      reached = progress.done;
      if (reached >= done) resolve();
    };
    call = outcome(reranker.rerank(query, documents, { topK: 1, signal: controller.signal, onProgress }));
    void call.then(resolve);
  });
  const begin = performance.now();
  controller.abort();
  const small = smallCall(reranker).then(() => performance.now() - begin);
  const { error } = await call;
  const late = performance.now() - begin;
  return { error, late, answered: await small, reached };
}

/** Ends one worker behind the package's back once so many documents are done. Tells how many were when it was ended. */
async function rerankWithout(worker, done, name, query, documents, options) {
  let ended;
  const onProgress = (progress) => {
    if (ended !== undefined || progress.done < done) return;
    ended = progress.done;
    workers[worker].kill();
  };
  const answer = await outcome(rerank(name, query, documents, { ...options, onProgress }));
  return { ...answer, ended };
}

async function ownObjects(name, query, texts) {
  const documents = texts.map((body) => ({ body, own: Symbol() }));
  const { results } = await rerankers.get(name).reranker.rerank(query, documents, { text: ({ body }) => body, topK: 3 });
  return {
    identical: results.every(({ document, index }) => document === documents[index]),
    count: results.length,
    ranks: results.map(({ rank }) => rank),
  };
}

/** How many rows each text has. */
async function lengths(name, method, texts) {
  return [...(await rerankers.get(name).reranker[method](texts)).lengths];
}

/** The SHA-256 of the documents' embeddings: their bits. */
async function embeddingsHash(name, documents) {
  const { values } = await rerankers.get(name).reranker.encodeDocuments(documents);
  const digest = await crypto.subtle.digest("SHA-256", new Float32Array(values));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A page as a test names it: pixels as numbers, the address of a file, or a size and a number that all of its pixels are made of. */
const pageOf = async ({ url, rgba, seed, ...size }) => (url ? (await fetch(url)).blob() : { ...size, rgba: rgba ? Uint8Array.from(rgba) : madePixels(size, seed) });

const madePixels = ({ width, height }, seed) => new Uint8Array(4 * width * height).map((_, at) => (at * seed) >> 3);

/** The largest wasm memory of the workers that tell theirs while a task runs. */
async function mostMemory(task) {
  const channel = new BroadcastChannel("wasm-memory");
  let most = 0;
  channel.onmessage = ({ data }) => (most = Math.max(most, data));
  await task();
  await new Promise((resolve) => setTimeout(resolve, 300));
  channel.close();
  return most;
}

const encodedPages = new Map();

/** Pages as plain numbers, and what was told on the way. They stay here by the model's name, for rankings. */
async function encodePages(name, pages, { abortAfter, ...options } = {}) {
  const [told, abort] = [[], new AbortController()];
  const onProgress = (progress) => {
    told.push(progress);
    if (progress.phase === "encode" && progress.tiles.done === abortAfter) abort.abort();
  };
  const given = pages.map((page) => () => pageOf(page));
  const encoded = await rerankers.get(name).reranker.encodePages(given, { ...options, signal: abort.signal, onProgress });
  encodedPages.set(name, encoded);
  return { told, pages: encoded.map(({ embeddings, scales, patches, ...page }) => ({ ...page, embeddings: [...embeddings], tile: patches.tile, mask: [...patches.mask] })) };
}

/** Encodes made pages of one size, each of which is let go, and gives the tiles of one. */
async function tilesOfPages(name, count, size, longestEdge) {
  let most = 0;
  const onProgress = ({ tiles }) => (most = Math.max(most, tiles?.total ?? 0));
  const given = Array.from({ length: count }, (_, place) => () => ({ ...size, rgba: madePixels(size, place + 1) }));
  await rerankers.get(name).reranker.encodePages(given, { longestEdge, onProgress });
  return most;
}

/** What a question makes of the pages that were encoded last: scores in their order, and the explanation of one. */
async function askPages(name, query, explained) {
  const { reranker } = rerankers.get(name);
  const pages = encodedPages.get(name);
  const { results } = await reranker.rerank(query, pages, { embeddings: (page) => page });
  const scores = results.toSorted((a, b) => a.index - b.index).map(({ score }) => score);
  const { matches, maps } = await reranker.explain(query, pages[explained]);
  const list = EmbeddingList.from(await EmbeddingList.write(pages));
  const listed = await reranker.rerank(query, pages.map(() => ({})), { embeddings: list });
  return { scores, matches, maps: maps.map(({ values }) => [...values]), listed: listed.results.toSorted((a, b) => a.index - b.index).map(({ score }) => score) };
}

/** What a question makes of a file of `pages encode`. */
async function askStore(name, query, url) {
  const { reranker } = rerankers.get(name);
  const list = EmbeddingList.from(await (await fetch(url)).arrayBuffer());
  const { results } = await reranker.rerank(query, list.ids, { embeddings: list });
  return Promise.all(
    results.map(async ({ document: id, index, rank, score }) => {
      const { grid, page } = list.at(index);
      const { matches } = await reranker.explain(query, list.at(index));
      return { id, rank, score, grid, page, matches: matches.map(({ similarity, patch }) => ({ similarity, patch })) };
    }),
  );
}

globalThis.harness = {
  askStore: (...parameters) => outcome(askStore(...parameters)),
  encodePages: (...parameters) => outcome(encodePages(...parameters)),
  pageMemory: (name, pages) => outcome(mostMemory(() => encodePages(name, pages))),
  tilesOfPages: (...parameters) => outcome(tilesOfPages(...parameters)),
  askPages: (...parameters) => outcome(askPages(...parameters)),
  loadAborted: (source) => outcome(Reranker.load(source, { signal: AbortSignal.abort() })),
  abortLoad,
  abortLoadAfter,
  abortRerank,
  abortAt,
  abortStages,
  byEmbeddings,
  inStages,
  broughtTo: (...parameters) => outcome(broughtTo(...parameters)),
  scoredWithout,
  smallCalls,
  ownObjects,
  partials,
  embeddingsHash,
  lengths,
  load: (name, source, options) => outcome(load(name, source, options)),
  rerankList: (name, query, files, options) => outcome(rerankList(name, query, files, options)),
  rerank: (name, query, documents, options) => outcome(rerank(name, query, documents, options)),
  rerankWithout,
  call: (name, method, ...parameters) => outcome(Promise.resolve(rerankers.get(name).reranker[method](...parameters))),
  openIndex: (...parameters) => outcome(openIndex(...parameters)),
  searchIndex: (...parameters) => outcome(searchIndex(...parameters)),
  searchAborted,
  clearIndex: (url) => Index.clearCached(url),
  disposeIndex: (name) => indexes.get(name).dispose(),
  static: (method, ...parameters) => outcome(Reranker[method](...parameters)),
  rerankWithin: (name, query, documents) => outcome(callWithin(rerankers.get(name).reranker, query, documents)),
  dispose: (name) => rerankers.get(name).reranker.dispose(),
  vectorCache: (name, method) => outcome(rerankers.get(name).reranker.vectorCache[method]()),
  device: (name) => rerankers.get(name).reranker.device,
  warnings: (name) => rerankers.get(name).seen.warnings,
  tellWorkers: (order) => faults.postMessage({ order }),
  struck: () => struck.splice(0),
  liveWorkers: () => workers.filter(({ isLive }) => isLive).length,
  workers: () => workers.length,
  /** As a browser does that wants their memory: nobody is told. */
  killWorkers: () => workers.forEach(({ kill }) => kill()),
};
