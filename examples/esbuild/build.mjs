import { build } from "esbuild";

// esbuild does not follow `new URL("…", import.meta.url)`: the files that the package finds beside itself are entries of their own, under their own names.
const beside = { worker: "tabrank/worker", tabrank: "tabrank/tabrank.wasm", "tabrank-relaxed": "tabrank/tabrank-relaxed.wasm", "tabrank-gpu": "tabrank/tabrank-gpu.wasm", "tabrank-images": "tabrank/tabrank-images.wasm" };

await build({ entryPoints: { main: "main.js", ...beside }, bundle: true, minify: true, format: "esm", loader: { ".wasm": "copy" }, outdir: "public/build" });
