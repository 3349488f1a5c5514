// Who is measured, in which order, in which `group`, and which files each one needs.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { FORMS } from "./forms.mjs";
import { groups } from "./groups.mjs";
import { MAXSIM } from "./maxsim.mjs";
import { PAGES } from "./pages.mjs";
import { VECTORS } from "./vectors.mjs";

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

/** What two cores can be used by. */
const PAIR = 2;

/** The q8 of the package that --baseline names. */
export const BASELINE = "tabrank-q8-baseline";

function ours({ paths }, { model, device }, id, { dtype, simd = "auto", workers = 1, copies = 1, folder = paths.package, root = "/tabrank/", isWatched = false }) {
  const isCheckpoint = dtype === "f32";
  return {
    kind: `tabrank-${id}`,
    engine: "tabrank",
    exact: isCheckpoint,
    dtype,
    copies,
    // Whether results are looked at as they come.
    isWatched,
    module: copies > 1 ? "/bench/tabrank-copies.js" : "/bench/tabrank.js",
    load: { root, model: isCheckpoint ? `/models/${model.name}/` : `/bundles/${model.name}/${dtype}/`, device, dtype, simd, workers, copies },
    version: version(folder),
    needs: [
      ...["index.js", "worker.js", "tabrank.wasm"].map((file) => join(folder, "dist", file)),
      isCheckpoint ? join(model.folder, "model.safetensors") : join(paths.bundles, model.name, dtype, "tabrank.json"),
    ],
  };
}

function ort({ paths }, { model, device, most }, id, { dtype, threads = 1 }) {
  const file = dtype === "q8" ? `${OPTIMIZED}_quantized.onnx` : `${OPTIMIZED}.onnx`;
  return {
    kind: `ort-${id}`,
    engine: "onnxruntime-web",
    exact: dtype === "fp32",
    dtype,
    // There are no more threads elsewhere.
    isIsolated: threads > 1,
    module: "/bench/peer.js",
    load: { worker: "ort-worker.js", model: `/onnx/${model.name}`, device: provider(device), file, batch: BATCH.ort[device], most, threads },
    version: version(packages(paths).ort),
    needs: [join(paths.onnx, model.name, "config.json"), join(paths.onnx, model.name, "onnx", file)],
  };
}

function transformers({ paths }, { model, device, most }, id, { dtype, file = UNMODIFIED, isOptional = false }) {
  const suffix = dtype === "q8" ? "_quantized" : "";
  return {
    kind: `transformers-${id}`,
    engine: "transformers.js",
    exact: dtype === "fp32",
    dtype,
    isOptional,
    module: "/bench/peer.js",
    load: { worker: "transformers-worker.js", model: model.name, device: provider(device), dtype, file, batch: BATCH.transformers, most },
    version: version(packages(paths).transformers),
    needs: [join(paths.onnx, model.name, "config.json"), join(paths.onnx, model.name, "onnx", `${file}${suffix}.onnx`)],
  };
}

function provider(device) {
  return device === "cpu" ? "wasm" : "webgpu";
}

function baseline(settings, group) {
  const folder = settings.paths.baseline;
  return folder ? [ours(settings, group, BASELINE.replace("tabrank-", ""), { dtype: "q8", folder, root: "/baseline/" })] : [];
}

/** Everyone there is to compare with on BERT. */
const WIDE = {
  cpu: (settings, group) => [
    ours(settings, group, "f32", { dtype: "f32" }),
    ort(settings, group, "fp32", { dtype: "fp32" }),
    transformers(settings, group, "fp32", { dtype: "fp32" }),
    transformers(settings, group, "fp32-fused", { dtype: "fp32", file: OPTIMIZED, isOptional: true }),
    ours(settings, group, "q8", { dtype: "q8", isWatched: true }),
    ...baseline(settings, group),
    ort(settings, group, "q8", { dtype: "q8" }),
    ours(settings, group, "q8-simd128", { dtype: "q8", simd: "simd128" }),
    transformers(settings, group, "q8", { dtype: "q8" }),
    transformers(settings, group, "q8-fused", { dtype: "q8", file: OPTIMIZED, isOptional: true }),
    ours(settings, group, "q4", { dtype: "q4" }),
    ours(settings, group, "q8-2-workers", { dtype: "q8", workers: PAIR, isWatched: true }),
    ours(settings, group, "q8-2-copies", { dtype: "q8", copies: PAIR }),
    ort(settings, group, "fp32-2-threads", { dtype: "fp32", threads: PAIR }),
    ort(settings, group, "q8-2-threads", { dtype: "q8", threads: PAIR }),
  ],
  webgpu: (settings, group) => [
    ours(settings, group, "webgpu-f32", { dtype: "f32" }),
    ours(settings, group, "webgpu", { dtype: "q8" }),
    ort(settings, group, "webgpu", { dtype: "fp32" }),
    transformers(settings, group, "webgpu", { dtype: "fp32" }),
    transformers(settings, group, "webgpu-fused", { dtype: "fp32", file: OPTIMIZED, isOptional: true }),
  ],
};

/** Each type against the fastest peer of its own. */
const NARROW = {
  cpu: (settings, group) => [
    ours(settings, group, "f32", { dtype: "f32" }),
    ort(settings, group, "fp32", { dtype: "fp32" }),
    ours(settings, group, "q8", { dtype: "q8" }),
    ...baseline(settings, group),
    ort(settings, group, "q8", { dtype: "q8" }),
  ],
  webgpu: (settings, group) => [
    ours(settings, group, "webgpu-f32", { dtype: "f32" }),
    ours(settings, group, "webgpu", { dtype: "q8" }),
    ort(settings, group, "webgpu", { dtype: "fp32" }),
  ],
};

/** The id names the group where that is not the one of its device. */
function everyone(settings) {
  return Object.entries(groups(settings)).flatMap(([name, group]) => {
    const isOwn = name === group.device;
    const members = (isOwn ? WIDE : NARROW)[group.device](settings, group);
    return members.map((each) => ({ ...each, id: isOwn ? each.kind : `${name}:${each.kind}`, group: name, device: group.device }));
  });
}

export function contestants(settings) {
  const all = everyone(settings);
  const ids = [...all.map(({ id }) => id), FORMS, MAXSIM, VECTORS, PAGES];
  const isKnown = (only) => ids.includes(only) || all.some(({ group }) => only === `${group}:`);
  const unknown = settings.only?.find((only) => !isKnown(only));
  if (unknown) throw new Error(`no contestant "${unknown}"; there are ${ids.join(", ")}`);
  const isNamed = ({ id, group }) => settings.only.some((only) => only === id || only === `${group}:`);
  const chosen = all.filter((each) => (settings.only ? isNamed(each) : !each.isOptional));
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
