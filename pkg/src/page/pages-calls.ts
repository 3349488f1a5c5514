/** What is fetched with the first call about pages. */

export { encodePages } from "./encode-pages.js";
export { estimatePages } from "./estimate-pages.js";
export { explainPage } from "./explain-page.js";
