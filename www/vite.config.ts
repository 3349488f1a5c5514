import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync } from "node:fs";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const head = read("head.html");

// A meta tag does not reach the worker, whose policy comes with its own response. So the preview server sends the page's
// policy as a header with everything, and head.html stays the one place that holds it.
const policy = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(head)?.[1];
if (policy === undefined) throw new Error("head.html has no Content-Security-Policy");

const backend = process.env["DEMO_BACKEND"];

const { version } = JSON.parse(read("node_modules/tabrank/package.json")) as { version: string };

function read(file: string): string {
  return readFileSync(new URL(file, import.meta.url), "utf8");
}

/** Before Vite looks for what a page refers to. */
const sharedHead: Plugin = {
  name: "shared-head",
  transformIndexHtml: {
    order: "pre",
    handler(page, { path }) {
      if (!page.includes("<!-- head.html -->")) throw new Error(`${path} has no place for head.html`);
      return page.replace("<!-- head.html -->", () => head);
    },
  },
};

/** Files of public/ that every page takes. */
const PUBLIC = ["icon.svg", "theme.js"];

const isText = (name: string) => /\.(html|css|js)$/.test(name);

const PDF = new URL("node_modules/pdfjs-dist/", import.meta.url);

const { version: pdfVersion } = JSON.parse(read("node_modules/pdfjs-dist/package.json")) as { version: string };

const PDF_FOLDER = `assets/pdf-${pdfVersion}`;

/** What pdf.js fetches for some PDFs: tables of East Asian characters, the fonts that a PDF may take for granted, decoders of pictures. Their licences lie beside them. */
const PDF_PARTS = ["cmaps", "standard_fonts", "wasm"];

const pdfData: Plugin = {
  name: "pdf-data",
  generateBundle() {
    for (const part of PDF_PARTS) {
      const names = readdirSync(new URL(part, PDF)).filter((name) => !name.endsWith(".js"));
      for (const name of names) this.emitFile({ type: "asset", fileName: `${PDF_FOLDER}/${part}/${name}`, source: readFileSync(new URL(`${part}/${name}`, PDF)) });
    }
  },
  configureServer({ middlewares }) {
    middlewares.use(`/${PDF_FOLDER}`, ({ url = "" }, response, next) => {
      const path = url.split("?", 1)[0]!.slice(1);
      if (!PDF_PARTS.some((part) => path.startsWith(`${part}/`)) || path.includes("..")) return next();
      createReadStream(new URL(path, PDF)).on("error", () => next()).pipe(response);
    });
  },
};

/** Tells the service worker which files there are; the shell is what pages need to open, without parts that are fetched later. */
const offline: Plugin = {
  name: "offline",
  enforce: "post",
  generateBundle(_, bundle) {
    const outputs = Object.values(bundle);
    const worker = outputs.find(({ fileName }) => fileName === "service-worker.js");
    if (worker?.type !== "chunk") this.error("there is no service worker");
    const chunks = outputs.filter((output) => output.type === "chunk" && output !== worker);
    const files = outputs.map(({ fileName }) => fileName).filter((name) => name !== "service-worker.js");
    const linked = new Set(chunks.flatMap((chunk) => (chunk.type === "chunk" && chunk.isEntry ? [chunk.fileName] : [])));
    for (const name of linked) for (const next of chunks.flatMap((chunk) => (chunk.type === "chunk" && chunk.fileName === name ? chunk.imports : []))) linked.add(next);
    const shell = [...files.filter((name) => /\.(html|css)$/.test(name)), ...linked, ...PUBLIC];
    const contents = outputs.map((output) => (isText(output.fileName) ? (output.type === "chunk" ? output.code : String(output.source)) : output.fileName));
    const version = createHash("sha256").update(contents.join("\0") + PUBLIC.map((name) => read(`public/${name}`)).join("\0")).digest("hex").slice(0, 12);
    worker.code = `const __BUILD__ = ${JSON.stringify({ version, shell, files })};\n${worker.code}`;
  },
};

export default defineConfig({
  base: "./",
  plugins: [sharedHead, pdfData, offline],
  // A missing model file has to be a 404: the single-page fallback would answer with HTML.
  appType: "mpa",
  // Pre-bundling moves the package away from its worker and its wasm file.
  optimizeDeps: { exclude: ["tabrank"] },
  define: { TABRANK_VERSION: JSON.stringify(version), PDF_FOLDER: JSON.stringify(PDF_FOLDER) },
  build: {
    rollupOptions: {
      input: ["index.html", "bench.html", "src/service-worker.ts"],
      // Not every static server knows that .mjs is a script.
      output: {
        // Its address is that of the page's folder, which it serves, and stays the same.
        entryFileNames: ({ name }) => (name === "service-worker" ? "[name].js" : "assets/[name]-[hash].js"),
        assetFileNames: ({ names: [name = ""] }) => (name.endsWith(".mjs") ? "assets/[name]-[hash].js" : "assets/[name]-[hash][extname]"),
      },
    },
    // The first versions with light-dark(); older ones would get it rewritten into a fallback.
    target: ["chrome123", "firefox120", "safari17.5"],
    // Small assets as data: addresses would break the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  preview: {
    // A backend of `make demo-backend`, below the page's own address, as its policy allows no other.
    proxy: backend === undefined ? {} : { "/backend": { target: backend, rewrite: (path) => path.replace(/^\/backend/, "") } },
    headers: {
      "Content-Security-Policy": `${policy}; frame-ancestors 'none'`,
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
