// The pages for programs that read: a list of them in llms.txt, and all that people wrote as one text in llms-full.txt.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join, posix, relative } from "node:path";
import type { DefaultTheme, SiteConfig } from "vitepress";
import { addressOf, shown } from "./outside-links.ts";
import { sidebar } from "./sidebar.ts";

const HEAD = `# Tabrank

> Late-interaction reranking in the browser tab: an npm package (Rust in WebAssembly, WebGPU where there is one) that reorders search results on the user's machine. Queries, texts and scores leave the tab for nowhere.
`;

/** Pages of types and calls, which are long, and in the sources. */
const MADE = /^reference\/api\//;

export async function writeForMachines({ srcDir, outDir, pages, site }: SiteConfig) {
  const texts = new Map<string, string>();
  for (const page of pages) texts.set(page, body(await readFile(join(srcDir, page), "utf8")));
  const chapters = sidebar.map(({ text, items = [] }) => `## ${text}\n\n${items.map((item) => line(item, texts, site.base)).join("\n")}\n`);
  await writeFile(join(outDir, "llms.txt"), [HEAD, ...chapters].join("\n"));
  const written = sidebar.flatMap(({ items = [] }) => items.map(pageFile)).filter((file) => !MADE.test(file));
  await writeFile(join(outDir, "llms-full.txt"), [HEAD, ...written.map((file) => fromBase(texts.get(file)!, file, site.base, srcDir))].join("\n"));
}

function line(item: DefaultTheme.SidebarItem, texts: Map<string, string>, base: string) {
  const file = pageFile(item);
  return `- [${item.text}](${base}${file.replace(/md$/, "html")}): ${firstSentence(texts.get(file) ?? "") || item.text}`;
}

function pageFile({ link = "" }: DefaultTheme.SidebarItem) {
  return `${link.slice(1).replace(/(^|\/)$/, "$1index")}.md`;
}

function firstSentence(text: string) {
  const [, paragraph = ""] = /^# .*\n+([^#|`\-\n][^\n]*(?:\n[^\n]+)*)/m.exec(text) ?? [];
  const plain = paragraph.replace(/\s+/g, " ").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
  return /^.*?[.:](?= |$)/.exec(plain)?.[0].replace(/:$/, ".") ?? plain;
}

/** Links as they are from any page, and of pictures what they show; code stays as it is. */
function fromBase(text: string, file: string, base: string, docs: string) {
  const parts = text.split(/(^ *```[^]*?^ *```$|`[^`\n]*`)/m);
  return parts.map((part, i) => (i % 2 ? part : part.replace(/!\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/\]\((\.{0,2}[^):\s]*)\)/g, (_, link: string) => `](${address(link, file, base, docs)})`))).join("");
}

function address(link: string, file: string, base: string, docs: string) {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? file : posix.join(dirname(file), path);
  const end = anchor === undefined ? "" : `#${anchor}`;
  if (!target.startsWith("..")) return `${base}${target.replace(/md$/, "html")}${end}`;
  return `${base}${addressOf(relative(dirname(docs), shown(join(docs, target))))}${end}`;
}

/** Without the front matter, which is the generator's. */
function body(page: string) {
  return page.replace(/^---\n[^]*?\n---\n+/, "");
}
