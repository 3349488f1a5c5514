// How the pages become a site. `BASE` is the path that it is served below; `make docs BASE=/` for a host of its own.
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { slug } from "github-slugger";
import { defineConfig, type MarkdownEnv, type MarkdownRenderer } from "vitepress";
import { emptyHeads } from "./empty-heads.ts";
import { copyLinkedFiles, copyRustdoc, outsideLinks } from "./outside-links.ts";
import { writeForMachines } from "./llms.ts";
import { INDEX_OPTIONS } from "./search-index.ts";
import { sidebar } from "./sidebar.ts";

const BASE = process.env.BASE ?? "/tabrank/";
/** The demo's. */
const ICON = new URL("../../www/public/icon.svg", import.meta.url);

export default defineConfig({
  title: "Tabrank",
  description: "Late-interaction reranking in the browser tab",
  lang: "en",
  base: BASE,
  head: [["link", { rel: "icon", href: `${BASE}icon.svg` }]],
  srcExclude: ["README.md", "test/**", "scripts/**"],
  vite: {
    // Tabrank finds its worker and modules beside itself, which the optimiser would move.
    optimizeDeps: { exclude: ["tabrank"] },
    build: { chunkSizeWarningLimit: 3000 },
    resolve: { alias: [{ find: /^.*\/VPLocalSearchBox\.vue$/, replacement: new URL("theme/SearchBox.vue", import.meta.url).pathname }] },
  },
  markdown: {
    // As the forge makes them, so that a link to a heading works in both places.
    anchor: { slugify: slug },
    toc: { slugify: slug },
    config: (markdown) => void markdown.use(outsideLinks).use(emptyHeads),
  },
  themeConfig: {
    nav: [
      { text: "Tutorial", link: "/tutorial" },
      { text: "How-to", link: "/how-to/" },
      { text: "Reference", link: "/reference/" },
      { text: "Explanation", link: "/explanation/late-interaction" },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: "local", options: { miniSearch: INDEX_OPTIONS, _render: sectionsOf } },
    externalLinkIcon: true,
  },
  async buildEnd(site) {
    await copyFile(ICON, join(site.outDir, "icon.svg"));
    await copyLinkedFiles(site);
    await copyRustdoc(site);
    await writeForMachines(site);
  },
});

/** What the search reads of a page: no names of languages, which stand in front of code. */
function sectionsOf(source: string, env: MarkdownEnv, markdown: MarkdownRenderer) {
  const html = markdown.render(source, env);
  return env.frontmatter?.search === false ? "" : html.replace(/<span class="lang">.*?<\/span>/g, "");
}
