// What of a section the search keeps. The text itself too, which VitePress's own box does without: the reranker reads it.
export const INDEX_OPTIONS = {
  options: { fields: ["title", "titles", "text"], storeFields: ["title", "titles", "text"] },
  searchOptions: { fuzzy: 0.2, prefix: true, boost: { title: 4, text: 2, titles: 1 } },
};
