// The pages in the order in which they are read. docs/test/pages.test.mjs holds the list against the files.
import type { DefaultTheme } from "vitepress";

export const sidebar: DefaultTheme.SidebarItem[] = [
  { text: "Tutorial", items: [{ text: "A search page that reranks", link: "/tutorial" }] },
  {
    text: "How-to",
    items: [
      { text: "All of them", link: "/how-to/" },
      { text: "Take candidates from a backend", link: "/how-to/backends" },
      { text: "Fit into a framework", link: "/how-to/frameworks" },
      { text: "Build with your bundler", link: "/how-to/bundlers" },
      { text: "Search without a server", link: "/how-to/index-without-a-server" },
      { text: "Use a checkpoint of your own", link: "/how-to/own-checkpoint" },
      { text: "Send embeddings along", link: "/how-to/send-embeddings" },
      { text: "Show results early, and stop", link: "/how-to/early-results" },
      { text: "Work offline", link: "/how-to/offline" },
      { text: "Set a content security policy", link: "/how-to/content-security-policy" },
      { text: "Take the worker from another origin", link: "/how-to/cross-origin-worker" },
      { text: "Rank on the command line", link: "/how-to/command-line" },
      { text: "Search pages as images", link: "/how-to/pages" },
      { text: "Pages on the command line", link: "/how-to/pages-command-line" },
    ],
  },
  {
    text: "Reference",
    items: [
      { text: "What there is", link: "/reference/" },
      { text: "The package", link: "/reference/package" },
      { text: "Every type and call", link: "/reference/api/" },
      { text: "The command line: what the commands do", link: "/reference/command-line" },
      { text: "The command line: every option", link: "/reference/cli" },
      { text: "Checkpoints", link: "/reference/checkpoints" },
      { text: "Browsers", link: "/reference/browsers" },
      { text: "Document vectors: the format", link: "/vectors" },
      { text: "Troubleshooting by error code", link: "/troubleshooting" },
    ],
  },
  {
    text: "Explanation",
    items: [
      { text: "Late interaction", link: "/explanation/late-interaction" },
      { text: "Which stage, and when none", link: "/explanation/stages" },
      { text: "What stays in the browser", link: "/explanation/privacy" },
      { text: "Fewer bits, and what they cost", link: "/explanation/quantization" },
      { text: "CPU and GPU", link: "/explanation/devices" },
      { text: "Figures", link: "/explanation/figures" },
      { text: "How time and memory grow", link: "/curves/README" },
    ],
  },
  { text: "Working on it", items: [{ text: "Releasing", link: "/releasing" }] },
];
