import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";

// A meta tag does not reach the worker, whose policy comes with its own response. So the preview server sends the page's
// policy as a header with everything, and index.html stays the one place that holds it.
const policy = policyOf("index.html");
if (policy === undefined) throw new Error("index.html has no Content-Security-Policy");
if (policyOf("bench.html") !== policy) throw new Error("bench.html has another Content-Security-Policy than index.html");

const { version } = JSON.parse(read("node_modules/tabrank/package.json")) as { version: string };

function policyOf(page: string): string | undefined {
  return /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(read(page))?.[1];
}

function read(file: string): string {
  return readFileSync(new URL(file, import.meta.url), "utf8");
}

export default defineConfig({
  base: "./",
  // A missing model file has to be a 404: the single-page fallback would answer with HTML.
  appType: "mpa",
  // Pre-bundling moves the package away from its worker and its wasm file.
  optimizeDeps: { exclude: ["tabrank"] },
  define: { TABRANK_VERSION: JSON.stringify(version) },
  build: {
    rollupOptions: { input: ["index.html", "bench.html"] },
    // The first versions with light-dark(); older ones would get it rewritten into a fallback.
    target: ["chrome123", "firefox120", "safari17.5"],
    // Small assets as data: addresses would break the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  preview: {
    headers: {
      "Content-Security-Policy": `${policy}; frame-ancestors 'none'`,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
