import { nodeResolve } from "@rollup/plugin-node-resolve";
import { importMetaAssets } from "@web/rollup-plugin-import-meta-assets";

// The second plugin brings along what the package names by `new URL("…", import.meta.url)`: its worker and its wasm modules.
export default {
  input: "main.js",
  output: { dir: "public/build", format: "es" },
  plugins: [nodeResolve({ browser: true }), importMetaAssets()],
};
