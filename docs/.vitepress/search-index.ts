// What of a section the search keeps. The text itself too, which VitePress's own box does without: the reranker reads it.

/** Words that say nothing of what is looked for. */
const COMMON = new Set("a an and are as at be by can do does for from how i if in is it its my of on or so that the then there this to what when where which who why will with you your".split(" "));

function processTerm(word: string) {
  const term = word.toLowerCase();
  return COMMON.has(term) ? null : term;
}

export const INDEX_OPTIONS = {
  options: { fields: ["title", "titles", "text"], storeFields: ["title", "titles", "text"], processTerm },
  searchOptions: { fuzzy: 0.2, prefix: true, boost: { title: 4, text: 2, titles: 1 } },
};
