// The docs as a reader has them: the tutorial does what it says, the search is reranked in the tab once the reader wants it, and every page is for everyone.
import assert from "node:assert/strict";
import AxeBuilder from "@axe-core/playwright";
import { createServer } from "node:http";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { after, before, describe, it } from "node:test";
import { codeBlocks } from "../../scripts/markdown.mjs";
import { launch, openPage } from "./lib/browser.mjs";
import { screenshot } from "./lib/demo.mjs";
import { need, needMiniLm, needPackage, ROOT } from "./lib/paths.mjs";

const LIMIT = { timeout: 120_000 };
/** The script by then has a model, a query and hits. */
const LAST_STEP = `
  import { Reranker } from "tabrank";
  const lines = [];
  const console = { log: (...words) => lines.push(words.join(" ")) };
  const reranker = await Reranker.load("sentence-transformers/all-MiniLM-L6-v2", { hub: "https://huggingface.co", dtype: "q8" });
  const query = document.querySelector("#query");
  const hits = await (await fetch("hits.json")).json();
  STEP
  globalThis.printed = lines;
`;
const SITE = "docs/.vitepress/dist";
const TYPES = { ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".svg": "image/svg+xml", ".wasm": "application/wasm" };

/** What `locate` finds by an address's path, `{ file }` or `{ text }`. */
async function serve(locate) {
  const http = createServer(async ({ url }, response) => {
    const found = locate(decodeURIComponent(new URL(url, "http://localhost").pathname));
    if (found === undefined || (found.file && !existsSync(found.file))) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(found.file ?? url)] ?? "application/octet-stream" }).end(found.text ?? (await readFile(found.file)));
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  return { origin: `http://127.0.0.1:${http.address().port}`, close: () => http.close().closeAllConnections() };
}

describe("the site", () => {
  let browser;
  let site;
  let base;
  before(async () => {
    browser = await launch({ webgpu: false });
    const index = await readFile(need(`${SITE}/index.html`, "make docs"), "utf8");
    [, base] = /href="(\/(?:[^"]*\/)?)assets\//.exec(index);
    site = await serve((path) => (path.startsWith(base) ? { file: join(ROOT, SITE, normalize(`/${path.slice(base.length)}`).replace(/\/$/, "/index.html")) } : undefined));
  });
  after(async () => {
    await browser?.close();
    site?.close();
  });

  async function open(path, options) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const requests = [];
    context.on("request", (request) => requests.push(request.url()));
    const { page, complaints } = await openPage(context, `${site.origin}${base}${path}`);
    await page.waitForFunction(() => document.querySelector("#app").__vue_app__ !== undefined);
    return { page, complaints, requests, close: () => context.close() };
  }

  for (const [colorScheme, size, viewport] of [["light", "wide", { width: 1280, height: 900 }], ["dark", "narrow", { width: 320, height: 640 }]]) {
    it(`axe finds nothing, and nothing is cut off, ${colorScheme} and ${size}`, LIMIT, async () => {
      for (const path of ["", "tutorial.html", "troubleshooting.html", "explanation/stages.html", "vectors.html"]) {
        const { page, complaints, close } = await open(path, { colorScheme, viewport });
        const { violations } = await new AxeBuilder({ page }).analyze();
        assert.deepEqual(violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${path}: ${id} at ${target}`)), []);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= viewport.width, `${path} scrolls sideways`);
        await screenshot(page, `docs-${path.replace(/\.html$|\W/g, "-") || "index-"}${colorScheme}-${size}`);
        assert.deepEqual(complaints, []);
        await close();
      }
    });
  }

  it("a search finds by words, and after consent the tab reranks, with nothing of the query in any request", LIMIT, async () => {
    const { page, complaints, requests, close } = await open("tutorial.html");
    await page.keyboard.press("Control+k");
    await page.fill(".search-box input[type=search]", "show results while they come without moving the list under the reader qzxcanary");
    await page.waitForSelector(".search-box li a");
    assert.ok(!requests.some((url) => /\.wasm|\/worker-|\/models\//.test(url)), "a model was asked for without consent");
    await screenshot(page, "docs-search");
    await page.check(".search-box input[type=checkbox]");
    await page.getByRole("status").filter({ hasText: "reranked in this tab" }).waitFor();
    const [first] = await page.$$eval(".search-box li a", (links) => links.map((link) => link.getAttribute("href")));
    assert.match(first, /early-results\.html#/);
    const { violations } = await new AxeBuilder({ page }).include(".search-box").analyze();
    assert.deepEqual(violations.map(({ id }) => id), []);
    await screenshot(page, "docs-search-reranked");
    assert.deepEqual(requests.filter((url) => !url.startsWith(`${site.origin}${base}`) && !url.startsWith("blob:")), []);
    assert.deepEqual(requests.filter((url) => url.includes("qzxcanary")), []);
    await page.press(".search-box input[type=search]", "Enter");
    await page.waitForURL(/early-results\.html#/);
    assert.equal(await page.locator(".search-box").count(), 0);
    assert.deepEqual(complaints, []);
    await close();
  });
});

describe("the tutorial", () => {
  let browser;
  let server;
  const blocks = codeBlocks("docs/tutorial.md");
  before(async () => {
    needMiniLm();
    needPackage();
    browser = await launch({ webgpu: false });
    server = await serve((path) => tutorialFile(path) ?? fileBelow(path, "/node_modules/tabrank/", "pkg") ?? fileBelow(path, "/sentence-transformers/all-MiniLM-L6-v2/resolve/main/", "models/all-MiniLM-L6-v2"));
  });
  after(async () => {
    await browser?.close();
    server?.close();
  });

  /** As the tutorial has it, where of two of a name the second stays; this server stands in for the hub. */
  function tutorialFile(path) {
    const block = blocks.findLast(({ name }) => `/${name}` === path);
    return block && { text: withOwnHub(block.code) };
  }

  const withOwnHub = (code) => code.replaceAll("https://huggingface.co", server.origin);
  const fileBelow = (path, start, folder) => (path.startsWith(start) ? { file: join(ROOT, folder, normalize(`/${path.slice(start.length)}`)) } : undefined);

  it("the backend's order at once, Goethe in front when the model has come, and a match for each word", LIMIT, async () => {
    const context = await browser.newContext();
    const { page } = await openPage(context, `${server.origin}/index.html`);
    const order = () => page.$$eval("li", (items) => items.map((item) => item.textContent.split(":")[0]));
    await page.click("button");
    await page.waitForSelector("li");
    assert.equal((await order())[0], "Faust, opera");
    await page.getByRole("status").filter({ hasText: "Read by the model" }).waitFor();
    assert.equal((await order())[0], "Goethe");
    assert.match((await matches(page)).join("\n"), /^wrote /m);
  });

  /** What the last step prints, which goes on from the script before it. */
  async function matches(page) {
    const { code } = blocks.find(({ language, name }) => language === "js" && !name);
    await page.addScriptTag({ type: "module", content: withOwnHub(LAST_STEP.replace("STEP", code)) });
    await page.waitForFunction(() => globalThis.printed !== undefined);
    return page.evaluate(() => globalThis.printed);
  }
});
