// Calls of changing kind and size, with aborts and harm among them. Every answer is held against what each text gives alone, on the CPU.
import { Reranker } from "../package/index.js";

const CHECKPOINT = "../fixtures/pylate/checkpoint/";
const WORKER = new URL("soak-worker.js", import.meta.url);

const QUERIES = 4;
const TEXTS = 60;
const MOST_WORDS = 60;
const MOST_DOCUMENTS = 50;
/** Calls at a time. */
const MOST_AT_ONCE = 4;
/** How often a call is aborted. */
const ABORTED = 0.1;
/** Milliseconds within which both happen. */
const MOMENT = 15;
/** Milliseconds in which a worker tells that it has heard an order; one that is being replaced never does. */
const HEARD = 300;
/** Of a score, on the CPU and on WebGPU. */
const TOLERANCE = { cpu: 0, webgpu: 1e-3 };

const WORDS = "the price of oil rose while a team won its third title in spring and nobody asked why bread is baked in an oven near Weimar".split(" ");

const channel = new BroadcastChannel("soak");
let heard = () => {};
channel.onmessage = ({ data }) => data.struck && heard();

/** Numbers in [0, 1) that look random: mulberry32. */
function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class Soak {
  #device;
  #harm;
  #random;
  #reranker;
  #queries;
  #texts;
  #alone;
  /** Calls that have not ended. */
  open = 0;

  constructor({ device, harm, seed }) {
    this.#device = device;
    this.#harm = harm;
    this.#random = randomOf(seed);
    this.#queries = Array.from({ length: QUERIES }, () => this.#text(1 + this.#below(8)));
    this.#texts = Array.from({ length: TEXTS }, () => this.#text(this.#below(MOST_WORDS)));
  }

  async start() {
    await using(load("cpu"), async (reference) => (this.#alone = await this.#measureAlone(reference)));
    this.#reranker = await load(this.#device);
  }

  /** The largest calls that there can be: what comes after them needs no more. */
  async settle() {
    const documents = different(this.#texts.toSorted((a, b) => b.length - a.length)[0]);
    for (const query of this.#queries) await this.#reranker.rerank(query, documents, { explain: true });
    await this.#reranker.encodeDocuments(documents);
  }

  stop() {
    this.#reranker.dispose();
  }

  /** Makes so many calls, with harm done during this part of their groups, and tells how they ended; `wrong` has what should not have been. */
  async run(count, often) {
    const tally = { calls: 0, right: 0, aborted: 0, harmed: 0, same: [], wrong: [] };
    while (tally.calls < count) {
      const size = Math.min(1 + this.#below(MOST_AT_ONCE), count - tally.calls);
      const isHarmed = this.#random() < often;
      const group = Array.from({ length: size }, () => this.#call(tally));
      if (isHarmed) await this.#doHarm(tally);
      await Promise.all(group);
      tally.calls += size;
    }
    tally.same.push(...(await this.#sameCall()));
    return { ...tally, open: this.open, device: this.#reranker.device };
  }

  /** The scores and embeddings of each text by itself. */
  async #measureAlone(reference) {
    const scores = [];
    for (const query of this.#queries) {
      const row = [];
      for (const text of this.#texts) row.push((await reference.rerank(query, [text])).results[0].score);
      scores.push(row);
    }
    const rows = [];
    for (const text of this.#texts) rows.push((await reference.encodeDocuments([text])).values);
    return { scores, rows };
  }

  async #call(tally) {
    const controller = new AbortController();
    const isAborted = this.#random() < ABORTED;
    if (isAborted) setTimeout(() => controller.abort(), this.#random() * MOMENT);
    this.open++;
    try {
      const complaint = await this.#checked(controller.signal);
      if (complaint) tally.wrong.push(complaint);
      else tally.right++;
    } catch (error) {
      if (isAborted && error.name === "AbortError") tally.aborted++;
      else tally.wrong.push(`${error.name} ${error.code}: ${error.message}`);
    }
    this.open--;
  }

  /** One call of any kind; what is wrong with its answer. */
  #checked(signal) {
    const kind = this.#random();
    const query = this.#below(QUERIES);
    const documents = Array.from({ length: 1 + this.#below(MOST_DOCUMENTS) }, () => this.#below(TEXTS));
    if (kind < 0.7) return this.#rerank(query, documents, signal);
    if (kind < 0.85) return this.#encode(documents, signal);
    return this.#explain(query, documents[0], signal);
  }

  async #rerank(query, documents, signal) {
    const texts = documents.map((text) => this.#texts[text]);
    const { results } = await this.#reranker.rerank(this.#queries[query], texts, { signal });
    if (results.length !== documents.length) return `${results.length} results of ${documents.length} documents`;
    const wrong = results.find(({ index, score }) => !this.#isNear(score, this.#alone.scores[query][documents[index]]));
    if (wrong) return `a score of ${wrong.score}, and alone ${this.#alone.scores[query][documents[wrong.index]]}`;
    return results.some(({ score }, place) => place > 0 && score > results[place - 1].score) ? "an order that is not that of the scores" : undefined;
  }

  async #encode(documents, signal) {
    const { values } = await this.#reranker.encodeDocuments(documents.map((text) => this.#texts[text]), { signal });
    let end = 0;
    for (const text of documents) {
      for (const value of this.#alone.rows[text]) if (!this.#isNear(values[end++], value)) return "an embedding that is not what it is alone";
    }
    return end === values.length ? undefined : "more embeddings than there are alone";
  }

  async #explain(query, text, signal) {
    const { score } = await this.#reranker.explain(this.#queries[query], this.#texts[text], { signal });
    const alone = this.#alone.scores[query][text];
    return this.#isNear(score, alone) ? undefined : `an explained score of ${score}, and alone ${alone}`;
  }

  #isNear(found, expected) {
    return Math.abs(found - expected) <= TOLERANCE[this.#reranker.device] * Math.max(1, Math.abs(expected));
  }

  /** No call may be struck twice, so each order is waited for. */
  async #doHarm(tally) {
    await pause(this.#random() * MOMENT);
    const struck = new Promise((resolve) => (heard = () => resolve(true)));
    channel.postMessage({ order: this.#harm[this.#below(this.#harm.length)] });
    if (await Promise.race([struck, pause(HEARD)])) tally.harmed++;
  }

  /** Milliseconds of a call that is always the same. */
  async #sameCall() {
    const times = [];
    for (let call = 0; call < 21; call++) {
      const begin = performance.now();
      await this.#reranker.rerank(this.#queries[0], this.#texts.slice(0, 10));
      times.push(performance.now() - begin);
    }
    return times.slice(1);
  }

  #text(words) {
    return Array.from({ length: words }, () => WORDS[this.#below(WORDS.length)]).join(" ");
  }

  #below(limit) {
    return Math.floor(this.#random() * limit);
  }
}

function load(device) {
  return Reranker.load(CHECKPOINT, { device, workerUrl: WORKER, cache: "use" });
}

async function using(loading, use) {
  const reranker = await loading;
  try {
    return await use(reranker);
  } finally {
    reranker.dispose();
  }
}

/** A Reranker's whole life, so many times over. */
async function lives(count, device) {
  for (let life = 0; life < count; life++) await using(load(device), (reranker) => reranker.rerank("the price of oil", different("bread is baked in an oven")));
}

/** As many documents as there can be: those that are the same would be encoded once. */
function different(text) {
  return Array.from({ length: MOST_DOCUMENTS }, (_, place) => `${place} ${text}`);
}

let soak;
globalThis.soak = {
  start: (options) => (soak = new Soak(options)).start(),
  settle: () => soak.settle(),
  run: (count, often) => soak.run(count, often),
  stop: () => soak.stop(),
  lives,
  memory: async () => (await performance.measureUserAgentSpecificMemory()).bytes,
};
