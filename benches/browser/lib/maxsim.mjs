// MaxSim alone, without an encoder: both modules of the package, WebGPU, and others, who take turns as contestants do.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { openPage } from "./browser.mjs";
import { median } from "./format.mjs";

/** What `--only` calls it. */
export const MAXSIM = "maxsim";

/** A query of 32 vectors against a thousand long documents; a software WebGPU adapter gets fewer and shorter ones. */
export const SHAPES = {
  cpu: { queryRows: 32, documents: 1_000, documentRows: 300, dimension: 128 },
  webgpu: { queryRows: 32, documents: 4, documentRows: 64, dimension: 128 },
};
export const CODECS = { f32: "f32", int8: "int8", residual: "2-bit", binary: "binary" };
/** The module with both devices. */
const BOTH = "tabrank_gpu_bg.wasm";
/** The CPU's modules, by the instructions that they use. */
export const MODULES = { relaxed: "tabrank_relaxed_bg.wasm", simd128: "tabrank_bg.wasm" };
/** Documents that onnxruntime-web takes at once where it is fastest; see README.md. */
const BATCH = { f32: 20, int8: 100 };
/** A turn's, of which the median counts. */
const REPETITIONS = 5;

function contestants(paths) {
  const ours = Object.entries(MODULES).flatMap(([simd, file]) => Object.keys(CODECS).map((codec) => ({
    id: `${CODECS[codec]}, ${simd}`,
    numbers: codec,
    simd,
    kind: "tabrank",
    options: { module: `/wasm/${file}`, codec },
    needs: join(paths.package, "wasm", file),
  })));
  const graph = (id, device, options) => ({ id, device, numbers: options.graph, kind: "ort", options, needs: join(paths.onnx, "maxsim", `${options.graph}.onnx`) });
  const onGpu = Object.keys(CODECS).map((codec) => ({
    id: `${CODECS[codec]}, webgpu`,
    device: "webgpu",
    numbers: codec,
    kind: "tabrank",
    options: { module: `/wasm/${BOTH}`, codec, device: "webgpu" },
    needs: join(paths.package, "wasm", BOTH),
  }));
  return [
    ...ours,
    graph("onnxruntime-web f32", "cpu", { graph: "f32", provider: "wasm", batch: BATCH.f32 }),
    graph("onnxruntime-web int8", "cpu", { graph: "int8", provider: "wasm", batch: BATCH.int8 }),
    { id: "plain JavaScript", numbers: "f32", kind: "javascript", options: {} },
    { id: "numpy (native)", numbers: "f32", kind: "numpy", needs: paths.python },
    ...onGpu,
    graph("onnxruntime-web f32, webgpu", "webgpu", { graph: "f32", provider: "webgpu", batch: SHAPES.webgpu.documents }),
  ].map((each) => ({ device: "cpu", ...each }));
}

/** `[{ id, device, numbers, simd, kind, times, warm }]` in milliseconds: all repetitions, and each turn's median. */
export async function timeMaxsim(browser, server, { paths, runs }) {
  const sessions = [];
  for (const contestant of contestants(paths)) {
    const { id, needs } = contestant;
    if (needs && !existsSync(needs)) throw new Error(`${MAXSIM}: ${id} needs ${needs}, which is not there`);
    process.stderr.write(`${MAXSIM}: ${id}\n`);
    sessions.push({ ...contestant, times: [], warm: [], ...(await started(browser, server, contestant, paths)) });
  }
  // The first turn warms up: the browser is still optimizing the module.
  for (let turn = 0; turn <= runs; turn += 1) {
    for (const { times, warm, run } of sessions) {
      const found = await run();
      if (turn === 0) continue;
      times.push(...found);
      warm.push({ time: median(found) });
    }
  }
  for (const { close } of sessions) await close?.();
  return sessions.map(({ id, device, numbers, simd, kind, times, warm }) => ({ id, device, numbers, simd, kind, times, warm }));
}

async function started(browser, server, { kind, options, device }, paths) {
  const shape = SHAPES[device];
  if (kind === "numpy") return { run: () => numpy(paths, shape) };
  const { page, close } = await openPage(browser, server.origin);
  await page.evaluate(load, [kind, options, shape]);
  return { run: () => page.evaluate(run, REPETITIONS), close };
}

async function numpy({ here, python }, shape) {
  const file = join(here, "maxsim_numpy.py");
  const { stdout } = await promisify(execFile)(python, [file, ...[...Object.values(shape), REPETITIONS].map(String)]);
  return JSON.parse(stdout);
}

async function load([kind, options, shape]) {
  globalThis.maxsim = await import("/bench/maxsim.js");
  await globalThis.maxsim.load(kind, options, shape);
}

function run(repetitions) {
  return globalThis.maxsim.run(repetitions);
}
