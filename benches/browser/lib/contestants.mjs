// Who is measured, in which order, on which texts (`group`), and which files each one needs.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

function ours({ paths, modelName }, device) {
  return {
    id: `tabrank-${device}`,
    name: `tabrank ${device}`,
    group: device,
    ours: true,
    module: "/bench/tabrank.js",
    load: { model: `/models/${modelName}/`, device },
    version: version(join(paths.package, "package.json")),
    needs: [
      ...["index.js", "worker.js", "tabrank.wasm"].map((file) => join(paths.package, "dist", file)),
      join(paths.model, "model.safetensors"),
    ],
  };
}

function peer({ paths, modelName }, { id, name, group, dtype, file }) {
  const suffix = dtype === "q8" ? "_quantized" : "";
  return {
    id: `transformers-${id}`,
    name: `transformers.js ${name}`,
    group,
    ours: false,
    module: "/bench/transformers.js",
    load: { model: modelName, device: group === "cpu" ? "wasm" : "webgpu", dtype, file },
    version: version(join(paths.here, "node_modules/@huggingface/transformers/package.json")),
    needs: [join(paths.onnx, modelName, "config.json"), join(paths.onnx, modelName, "onnx", `${file}${suffix}.onnx`)],
  };
}

function everyone(settings) {
  return [
    ours(settings, "cpu"),
    peer(settings, { id: "fp32", name: "fp32", group: "cpu", dtype: "fp32", file: "model" }),
    peer(settings, { id: "fp32-fused", name: "fp32 fused", group: "cpu", dtype: "fp32", file: "model_optimized" }),
    peer(settings, { id: "q8", name: "q8", group: "cpu", dtype: "q8", file: "model" }),
    peer(settings, { id: "q8-fused", name: "q8 fused", group: "cpu", dtype: "q8", file: "model_optimized" }),
    ours(settings, "webgpu"),
    peer(settings, { id: "webgpu-fp32", name: "webgpu fp32", group: "webgpu", dtype: "fp32", file: "model" }),
    peer(settings, { id: "webgpu-fp32-fused", name: "webgpu fp32 fused", group: "webgpu", dtype: "fp32", file: "model_optimized" }),
  ];
}

export function contestants(settings) {
  const all = everyone(settings);
  const unknown = settings.only?.find((id) => !all.some((each) => each.id === id));
  if (unknown) throw new Error(`no contestant "${unknown}"; there are ${all.map((each) => each.id).join(", ")}`);
  const chosen = settings.only ? all.filter((each) => settings.only.includes(each.id)) : all;
  for (const { name, needs } of chosen) {
    const missing = needs.find((file) => !existsSync(file));
    if (missing) throw new Error(`${name} needs ${missing}, which is not there`);
  }
  return chosen;
}

function version(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : undefined;
}
