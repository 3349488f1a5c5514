/** Pagefind's own index and its own search, as a page runs it. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, createIndex } from "pagefind";
import { fromPagefind } from "tabrank/candidates/pagefind";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { TEXTS } from "./lib/texts.js";

interface Page {
  url: string;
  content: string;
  excerpt: string;
}

interface Pagefind {
  options(options: { basePath: string }): Promise<void>;
  search(term: string): Promise<{ results: { id: string; score: number; data(): Promise<Page> }[]; unfilteredResultCount: number }>;
}

const folder = mkdtempSync(join(tmpdir(), "pagefind-"));
const site = createServer((request, response) => response.end(readFileSync(join(folder, request.url!.split("?")[0]!))));
let pagefind: Pagefind;

beforeAll(async () => {
  const { index } = await createIndex({});
  for (const [place, content] of TEXTS.entries()) await index!.addCustomRecord({ url: `/${place}/`, content, language: "en" });
  await index!.writeFiles({ outputPath: join(folder, "pagefind") });
  await close();
  await new Promise<void>((done) => site.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  pagefind = await inPage(origin);
});
afterAll(() => {
  site.close();
  rmSync(folder, { recursive: true });
});

/** What the script finds in a page: an address, a language, and requests that are relative to it. */
async function inPage(origin: string): Promise<Pagefind> {
  const request = fetch;
  vi.stubGlobal("fetch", (url: string, options?: RequestInit) => request(new URL(url, origin), options));
  vi.stubGlobal("location", { href: `${origin}/` });
  vi.stubGlobal("window", { location: { origin } });
  vi.stubGlobal("document", { querySelector: () => ({ getAttribute: () => "en" }) });
  const script = (await import(/* @vite-ignore */ join(folder, "pagefind/pagefind.js"))) as Pagefind;
  await script.options({ basePath: `${origin}/pagefind/` });
  return script;
}

test("results of search, whose texts are fetched", async () => {
  const answer = await pagefind.search("Faust");
  const { hits, options, score, response } = await fromPagefind(answer);
  expect(hits.map(options.text).sort()).toEqual([TEXTS[2], TEXTS[0]]);
  expect(hits.map(score)).toEqual(answer.results.map((result) => result.score));
  expect(hits.map(options.id)).toEqual(answer.results.map(({ id }) => id));
  const reordered = response([{ document: hits[1]! }, { document: hits[0]! }]);
  expect(reordered).toEqual({ ...answer, results: [answer.results[1], answer.results[0]] });
  expect((await reordered.results[0]!.data()).content).toBe(options.text(hits[1]!));
});

test("a limit, and another text of a page", async () => {
  const answer = await pagefind.search("Faust");
  const { hits, options } = await fromPagefind(answer, { limit: 1, text: ({ url, content }) => `${url} ${content}` });
  expect(hits).toEqual([answer.results[0]]);
  expect(options.text(hits[0]!)).toMatch(/^\/\d\/ .*Faust/);
});
