// The ways to find candidates, and how the page speaks of each.

/** `vectors`: one a paragraph, all of them in the page. `index`: all token vectors, of which a search fetches what it needs. `words`: BM25. `chroma`, `pgvector`: a backend
 * behind the page's own server. */
export type FirstStage = "vectors" | "index" | "words" | "chroma" | "pgvector";

interface Words {
  /** Of its order, as a heading and among the stages. */
  title: string;
  name: string;
  /** What a candidate's figure and the time are called. */
  figure: string;
  time: string;
  way: string;
}

export const WORDS: Record<FirstStage, Words> = {
  vectors: {
    title: "Dense search",
    name: "Dense",
    figure: "cosine",
    time: "dense search",
    way: "One vector for each paragraph, compared with the question by cosine.",
  },
  index: {
    title: "Index search",
    name: "Index",
    figure: "MaxSim",
    time: "index search",
    way: "One vector for each token, compressed in files beside this page, of which a search fetches those it needs.",
  },
  words: {
    title: "Word search",
    name: "Words",
    figure: "BM25",
    time: "word search",
    way: "Words that question and text share, rare ones first (BM25).",
  },
  chroma: backend("Chroma"),
  pgvector: backend("PostgreSQL"),
};

function backend(name: string): Words {
  return {
    title: `${name} search`,
    name,
    figure: "cosine",
    time: `${name} search`,
    way: `One vector for each paragraph, in ${name}, which the question's vector is sent to; the question itself is not.`,
  };
}
