// One contestant on a page of its own: load, first result, warm reranks, query encodes, transfers, memory.
import { withPage } from "./browser.mjs";
import { forgetPeak, peaks } from "./memory.mjs";

// A query takes milliseconds on the CPU, so more runs cost nothing.
const CPU_QUERY_RUNS = 15;

export async function measure(browser, server, contestant, sample, settings) {
  const errors = [];
  try {
    return await withPage(browser, server.origin, (page) => {
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("pageerror", (error) => errors.push(error.message));
      return steps({ browser, server, page, contestant, sample, settings });
    });
  } catch (error) {
    return { error: [error.message.split("\n")[0], ...errors.slice(-3)].join(" | ") };
  }
}

async function steps({ browser, server, page, contestant, sample, settings }) {
  const call = (name, ...rest) => within(settings.limit, page.evaluate(callHarness, [name, rest]));
  server.forget();
  await forgetPeak(browser);
  const cold = await call("cold", contestant.module, contestant.load, sample);
  const transfers = server.sent().slice();
  const warm = await repeat(settings.runs, () => call("rerank", sample));
  const queryRuns = contestant.group === "cpu" ? CPU_QUERY_RUNS : settings.runs;
  const queries = await repeat(queryRuns, () => call("encodeQuery", sample));
  const peak = await peaks(browser);
  const workers = page.workers().length;
  // Last, since the copies it makes would count as memory.
  await call("upload", contestant.id, sample);
  return { cold, warm, queries, transfers, bytes: byKind(transfers), peak, workers };
}

async function callHarness([name, rest]) {
  const harness = await import("/bench/harness.js");
  return harness[name](...rest);
}

async function repeat(count, step) {
  const results = [];
  for (let index = 0; index < count; index += 1) results.push(await step());
  return results;
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
  return /^\/(models|onnx)\//.test(path) ? "model" : "script";
}

function within(seconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
