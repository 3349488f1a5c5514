// All contestants of a group. Each has a page of its own; first each one is loaded, gives its first result and is warmed up
// while the others' pages idle, then they take turns, so that what else the machine does falls on all of them.
import { openPage } from "./browser.mjs";
import { forgetPeak, peakDuring } from "./memory.mjs";
import { watchPartial } from "./partial.mjs";

// A query takes milliseconds on the CPU, so more runs cost nothing.
const QUERIES_A_ROUND = { cpu: 5, webgpu: 1 };

/** Adds its figures, or an `error`, to every contestant. */
export async function measure(browser, server, contestants, sample, settings) {
  const sessions = [];
  for (const contestant of contestants) sessions.push(await started({ browser, server, contestant, sample, settings }));
  const running = () => sessions.filter(({ contestant }) => !contestant.error);
  for (let round = 1; round <= settings.runs; round += 1) {
    for (const session of running()) {
      progress(`${session.contestant.id}: run ${round} of ${settings.runs}`);
      await attempt(session, () => takeTurn(session));
    }
  }
  for (const session of running().filter(({ contestant }) => contestant.engine === "tabrank")) {
    await attempt(session, () => profile(session));
    if (session.contestant.isWatched) await attempt(session, () => watchPartial(session, settings.runs));
  }
  for (const session of running()) session.contestant.form = await session.page.evaluate(keptForm);
  for (const { close } of sessions) await close?.();
}

async function started(parts) {
  const { browser, server, contestant, settings } = parts;
  const session = { ...parts, errors: [] };
  progress(`${contestant.id}: load, first result, warm-up`);
  await attempt(session, async () => {
    const { page, close } = await openPage(browser, contestant.isIsolated ? server.isolatedOrigin : server.origin);
    Object.assign(session, { page, close });
    page.on("console", (message) => message.type() === "error" && session.errors.push(message.text()));
    page.on("pageerror", (error) => session.errors.push(error.message));
    session.call = (name, ...rest) => within(settings.limit, page.evaluate(callHarness, [name, rest]));
    await firstSteps(session);
  });
  return session;
}

async function attempt({ contestant, errors, close }, step) {
  try {
    await step();
  } catch (error) {
    contestant.error = [error.message.split("\n")[0], ...errors.slice(-3)].join(" | ");
    progress(`${contestant.id} failed: ${contestant.error}`);
    await close?.();
  }
}

/** The warm-up encodes the documents, as a rerank does, and sends their embeddings to be compared. */
async function firstSteps({ browser, server, page, contestant, sample, call }) {
  server.forget();
  await forgetPeak(browser);
  const { result: cold, peak } = await peakDuring(browser, () => call("cold", contestant.module, contestant.load, sample));
  const transfers = server.sent().slice();
  Object.assign(contestant, { cold, peak, transfers, bytes: byKind(transfers), warm: [], queries: [] });
  await call("upload", contestant.id, sample);
  await call("rerank", sample);
  if (contestant.engine === "tabrank") contestant.workers = workersOf(page, contestant.load);
}

/** How many there are, which are as many as were asked for: the others start once there was a first result. */
function workersOf(page, { workers, copies }) {
  const found = page.workers().length;
  if (found !== workers * copies) throw new Error(`runs in ${found} workers, not ${workers * copies}`);
  return found;
}

async function takeTurn({ page, contestant, sample, call }) {
  // A thread of a peer's that waits for work answers nobody.
  const before = contestant.device === "webgpu" ? await gpuCalls(page) : undefined;
  const run = await call("rerank", sample);
  contestant.warm.push({ ...run, time: run.time / (contestant.copies ?? 1), ...(before && { gpu: difference(await gpuCalls(page), before) }) });
  for (let query = 0; query < QUERIES_A_ROUND[contestant.device]; query += 1) {
    contestant.queries.push(await call("encodeQuery", sample));
  }
}

/** A run apart, since looking at the clock so often takes time itself. */
async function profile({ contestant, sample, call }) {
  const { timings } = await call("rerank", sample, { profile: true });
  if (timings.stages) contestant.profile = timings;
}

/** What the page's workers have asked of WebGPU so far; undefined where that is not counted. */
async function gpuCalls(page) {
  const counts = await Promise.all(page.workers().map((worker) => worker.evaluate(() => self.gpuCalls)));
  const known = counts.filter(Boolean);
  if (!known.length) return undefined;
  const names = Object.keys(known[0]);
  return Object.fromEntries(names.map((name) => [name, known.reduce((sum, each) => sum + each[name], 0)]));
}

function difference(after, before) {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name]]));
}

/** The form of the byte product that the package has found to be the fastest, and keeps; undefined where it had no choice. */
async function keptForm() {
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    const note = (await cache.keys()).find(({ url }) => new URL(url).pathname.endsWith("/product-form"));
    if (note) return (await (await cache.match(note)).json()).form;
  }
  return undefined;
}

async function callHarness([name, rest]) {
  const harness = await import("/bench/harness.js");
  return harness[name](...rest);
}

function byKind(transfers) {
  const bytes = { model: 0, wasm: 0, script: 0, total: 0 };
  for (const { path, bytes: size } of transfers) {
    bytes[kind(path)] += size;
    bytes.total += size;
  }
  return bytes;
}

function kind(path) {
  if (path.endsWith(".wasm")) return "wasm";
  return /^\/(models|onnx|bundles)\//.test(path) ? "model" : "script";
}

/** Rejects where a step takes longer than that. */
export function within(seconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function progress(line) {
  process.stderr.write(`${line}\n`);
}
