// The two ways to find candidates, and how the page speaks of each.

/** One vector a paragraph, all of them in the page; or all token vectors, in an index of which a search fetches what it needs. */
export type FirstStage = "vectors" | "index";

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
};
