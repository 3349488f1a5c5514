// Who is measured, in which order, on which texts (`group`), and which files each one needs.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { MAXSIM } from "./maxsim.mjs";

/** Batch sizes at which the peers are fastest on these texts; see README.md. */
const BATCH = { ort: { cpu: 4, webgpu: 8 }, transformers: 8 };

const UNMODIFIED = "model";
const OPTIMIZED = "model_optimized";

/** Where the peers' packages are, and the onnxruntime-web that transformers.js brings along. */
export function packages({ here }) {
  const modules = join(here, "node_modules");
  const transformers = join(modules, "@huggingface/transformers");
  const nested = createRequire(join(transformers, "package.json")).resolve("onnxruntime-web/wasm");
  return {
    tokenizers: join(modules, "@huggingface/tokenizers"),
    transformers,
    ort: join(modules, "onnxruntime-web"),
    transformersOrt: dirname(dirname(nested)),
  };
}

/** The q8 of the package that --baseline names. */
export const BASELINE = "tabrank-q8-baseline";

function ours({ paths, modelName }, id, { device = "cpu", dtype, simd = "auto", folder = paths.package, root = "/tabrank/" }) {
  const isCheckpoint = dtype === "f32";
  return {
    id: `tabrank-${id}`,
    group: device,
    engine: "tabrank",
    exact: isCheckpoint,
    dtype,
    module: "/bench/tabrank.js",
    load: { root, model: isCheckpoint ? `/models/${modelName}/` : `/bundles/${dtype}/`, device, dtype, simd },
    version: version(folder),
    needs: [
      ...["index.js", "worker.js", "tabrank.wasm"].map((file) => join(folder, "dist", file)),
      isCheckpoint ? join(paths.model, "model.safetensors") : join(paths.bundles, dtype, "tabrank.json"),
    ],
  };
}

function ort({ paths, modelName }, id, { device = "cpu", dtype }) {
  const file = dtype === "q8" ? `${OPTIMIZED}_quantized.onnx` : `${OPTIMIZED}.onnx`;
  return {
    id: `ort-${id}`,
    group: device,
    engine: "onnxruntime-web",
    exact: dtype === "fp32",
    dtype,
    module: "/bench/peer.js",
    load: { worker: "ort-worker.js", model: `/onnx/${modelName}`, device: provider(device), file, batch: BATCH.ort[device] },
    version: version(packages(paths).ort),
    needs: [join(paths.onnx, modelName, "config.json"), join(paths.onnx, modelName, "onnx", file)],
  };
}

function transformers({ paths, modelName }, id, { device = "cpu", dtype, file = UNMODIFIED, isOptional = false }) {
  const suffix = dtype === "q8" ? "_quantized" : "";
  return {
    id: `transformers-${id}`,
    group: device,
    engine: "transformers.js",
    exact: dtype === "fp32",
    dtype,
    isOptional,
    module: "/bench/peer.js",
    load: { worker: "transformers-worker.js", model: modelName, device: provider(device), dtype, file, batch: BATCH.transformers },
    version: version(packages(paths).transformers),
    needs: [join(paths.onnx, modelName, "config.json"), join(paths.onnx, modelName, "onnx", `${file}${suffix}.onnx`)],
  };
}

function provider(device) {
  return device === "cpu" ? "wasm" : "webgpu";
}

function baseline(settings) {
  const folder = settings.paths.baseline;
  return folder ? [ours(settings, BASELINE.replace("tabrank-", ""), { dtype: "q8", folder, root: "/baseline/" })] : [];
}

function everyone(settings) {
  return [
    ours(settings, "f32", { dtype: "f32" }),
    ort(settings, "fp32", { dtype: "fp32" }),
    transformers(settings, "fp32", { dtype: "fp32" }),
    transformers(settings, "fp32-fused", { dtype: "fp32", file: OPTIMIZED, isOptional: true }),
    ours(settings, "q8", { dtype: "q8" }),
    ...baseline(settings),
    ort(settings, "q8", { dtype: "q8" }),
    ours(settings, "q8-simd128", { dtype: "q8", simd: "simd128" }),
    transformers(settings, "q8", { dtype: "q8" }),
    transformers(settings, "q8-fused", { dtype: "q8", file: OPTIMIZED, isOptional: true }),
    ours(settings, "q4", { dtype: "q4" }),
    ours(settings, "webgpu-f32", { device: "webgpu", dtype: "f32" }),
    ours(settings, "webgpu", { device: "webgpu", dtype: "q8" }),
    ort(settings, "webgpu", { device: "webgpu", dtype: "fp32" }),
    transformers(settings, "webgpu", { device: "webgpu", dtype: "fp32" }),
    transformers(settings, "webgpu-fused", { device: "webgpu", dtype: "fp32", file: OPTIMIZED, isOptional: true }),
  ];
}

export function contestants(settings) {
  const all = everyone(settings);
  const ids = [...all.map(({ id }) => id), MAXSIM];
  const unknown = settings.only?.find((id) => !ids.includes(id));
  if (unknown) throw new Error(`no contestant "${unknown}"; there are ${ids.join(", ")}`);
  const chosen = all.filter(({ id, isOptional }) => (settings.only ? settings.only.includes(id) : !isOptional));
  for (const { id, needs } of chosen) {
    const missing = needs.find((file) => !existsSync(file));
    if (missing) throw new Error(`${id} needs ${missing}, which is not there`);
  }
  return chosen;
}

function version(folder) {
  const file = join(folder, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : undefined;
}
