// The paths that users take, in the engines beside Chromium: of the other files' tests those that are named here. Usage: node engines.mjs [firefox] [webkit]
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pipeline } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";

const DIRECTORY = fileURLToPath(new URL(".", import.meta.url));

const BY_KEYBOARD = ["the whole way by keyboard: load, ask, read, open an explanation, look at a match, see the other orders, report, clear", "settings, another model and texts of one's own by keyboard"];

const PATHS = {
  "calls.test.mjs": [
    "before the load: no worker is started",
    "during the download: the load rejects at once, its worker ends and the network rests",
    "during a rerank: it rejects at once, and the next call is right",
    "ends the worker; open calls and later ones reject with DISPOSED, and twice is no error",
    "comes by itself at the end of a block with `using`, as the engine or a compiler has it",
    "with the default model give what the command line gives",
    "give back the caller's own objects, in the asked number",
    "explain a score by the query's tokens, at their places in the text",
  ],
  "storage.test.mjs": [
    "comes from the browser's storage the next time, without a request for it",
    "is fetched again after it was deleted, and with `reload`",
    "flipped: the model is fetched again, and is whole",
    "is listed with its size, and cleared at once, without a touch of anything else",
    "storage-denied: the model loads, and a warning says so once",
    "no secure context: the model loads on the CPU",
  ],
  "vector-cache.test.mjs": [
    "embeddings outlive the page, with the same scores",
    "that throws where it is asked for: calls go on, with one warning, and memory serves",
  ],
  "worker-faults.test.mjs": ["panic-in-rerank: the call is answered by a new worker", "is ended behind the package's back in a call: the call is answered by a new one"],
  "surroundings.test.mjs": ["is not violated, and trusted types are served by workerUrl", "starts the worker through a script of its own, and takes a module that is this version's"],
  "index.test.mjs": ["finds what the command line finds, with the same scores"],
  "pages.test.mjs": [
    "have the reference's embeddings, each at its place",
    "have the reference's scores and heat maps, also from a list of embeddings",
    "are aborted between two tiles, and leave the worker at once",
    ...["rgb.png", "palette.png", "orientation-6.png", "dot.png"].map((name) => `of ${name} are those of the pixels that the reference reads`),
    ...["full-colour.jpg", "cmyk-adobe.jpg", "lossless.webp"].map((name) => `of ${name} are near those`),
    ...["rgba.png", "rgb-16.png", "orientation-8.tif"].map((name) => `of ${name}, which browsers read otherwise, are those of the pixels that the reference reads`),
    "take no more memory than one",
    "are those of one to the bit, and those of a worker that died are read by another",
  ],
  "stages.test.mjs": ["fusion, a least score and MMR change the end of the list alone"],
  "demo.test.mjs": [
    "a question: the first order at once, then the better one, equal to the native one, with no request after the load",
    "a second visit takes the model from the browser's storage: no request for it",
    "a rerank that is cancelled leaves the first order, and can be asked for again",
    "shows a hundred hostile texts as texts",
    "shows the order after each stage, and moves nothing else",
  ],
  "demo-own.test.mjs": ["a PDF's text, page by page; what reads it is fetched with the first one alone", "a PDF's Chinese, by the tables of characters that lie beside the page"],
  "demo-pages.test.mjs": ["a PDF that is dropped is read, and a question shows its pages with their heat maps"],
  "demo-access.test.mjs": BY_KEYBOARD,
};

/**
 * An automated WebKit is in private mode, where storage may end with the page; and it makes no note of relaxed SIMD, which it lacks. Its
 * window has no focus where nothing manages windows, so that no focus shows.
 */
const LEFT_OUT = {
  firefox: [],
  webkit: [
    "comes from the browser's storage the next time, without a request for it",
    "a second visit takes the model from the browser's storage: no request for it",
    "is listed with its size, and cleared at once, without a touch of anything else",
    ...BY_KEYBOARD,
  ],
};

/** Files side by side: drivers of WebKit hinder each other as they start. */
const CONCURRENCY = { firefox: 2, webkit: 1 };

const engines = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(LEFT_OUT);
for (const engine of engines) await runIn(engine);

/** A name that no test has, or none that runs, is a failure too. */
async function runIn(engine) {
  console.log(`== ${engine}`);
  process.env.ENGINE = engine;
  const names = Object.values(PATHS).flat().filter((name) => !LEFT_OUT[engine].includes(name));
  const left = new Set(names);
  const tests = run({ files: Object.keys(PATHS).map((file) => join(DIRECTORY, file)), concurrency: CONCURRENCY[engine], testNamePatterns: names.map((name) => new RegExp(`^${escaped(name)}$`)) });
  tests.on("test:pass", ({ name, skip }) => skip === undefined && left.delete(name));
  tests.on("test:fail", ({ name }) => {
    left.delete(name);
    process.exitCode = 1;
  });
  await pipeline(tests, new spec(), process.stdout, { end: false });
  for (const name of left) console.log(`no test ran in ${engine} that is called: ${name}`);
  if (left.size > 0) process.exitCode = 1;
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
