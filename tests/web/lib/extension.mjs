// An extension for Chromium that holds the package and a tiny checkpoint, in a browser of its own.
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { ARGUMENTS, chromiumPath } from "./browser.mjs";
import { FOLDERS } from "./server.mjs";

const MANIFEST = {
  manifest_version: 3,
  name: "Tabrank test",
  version: "1",
  permissions: ["offscreen"],
  background: { service_worker: "background.js", type: "module" },
};

const POLICY = { content_security_policy: { extension_pages: "script-src 'self' 'wasm-unsafe-eval'" } };

/** Modules cannot be imported later in a service worker. */
const BACKGROUND = 'import { Reranker } from "./package/index.js"; globalThis.Reranker = Reranker;';

/** Answers the background's messages. */
const OFFSCREEN = `
import { Reranker } from "./package/index.js";
const loaded = Reranker.load("model/", { device: "cpu" });
chrome.runtime.onMessage.addListener(({ query, documents }, sender, answer) => {
  loaded.then((reranker) => reranker.rerank(query, documents)).then(({ results }) => answer({ value: { results } }));
  return true;
});`;

/** `allowsWasm`: whether its manifest has the policy that WebAssembly needs. */
export async function openExtension({ allowsWasm }) {
  const folder = await mkdtemp(join(tmpdir(), "tabrank-extension-"));
  await cp(FOLDERS.package, join(folder, "package"), { recursive: true });
  await cp(join(FOLDERS.fixtures, "pylate/checkpoint"), join(folder, "model"), { recursive: true });
  const files = {
    "manifest.json": JSON.stringify({ ...MANIFEST, ...(allowsWasm && POLICY) }),
    "background.js": BACKGROUND,
    "offscreen.js": OFFSCREEN,
    "offscreen.html": '<!doctype html><script type="module" src="offscreen.js"></script>',
    "empty.html": "<!doctype html><title>Extension</title>",
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
  const extension = await openUnpacked(folder);
  const close = async () => {
    await extension.close();
    await rm(folder, { recursive: true });
  };
  return { ...extension, openPage: () => extension.openPage("empty.html"), close };
}

/** An extension as it lies in a folder; `openPage(name)` opens one of its pages. */
export async function openUnpacked(folder) {
  const context = await chromium.launchPersistentContext("", {
    executablePath: chromiumPath(),
    ignoreDefaultArgs: ["--disable-extensions"],
    args: [...ARGUMENTS, `--disable-extensions-except=${folder}`, `--load-extension=${folder}`],
  });
  const background = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  const openPage = async (name) => {
    const page = await context.newPage();
    await page.goto(new URL(name, background.url()).href);
    return page;
  };
  return { context, background, openPage, close: () => context.close() };
}
