/** The public types of what is shown of a document: the words to mark and the best passage. Offsets are in UTF-16 units of the document's text. */

/** A part of a text: from `start` up to `end`, which is not in it. */
export interface TextRange {
  start: number;
  end: number;
}

/** Whole words to mark. */
export interface Mark extends TextRange {
  /** Of the best match in them; see `TokenMatch`. */
  similarity: number;
}

/** A part of a document that answers the query. */
export interface Passage extends TextRange {
  text: string;
  /** Those of `marks` that lie in it; their offsets are in the whole text, as the passage's own. */
  marks: Mark[];
}

export interface MarkOptions<T = unknown> {
  /**
   * The text that was ranked: by itself, or as `rerank` is told it of a document. By default a result's document is a string, or an object with a string `text`; an
   * explanation by itself has none.
   */
  text?: string | ((document: T) => string | null | undefined);
  /** Matches that are marked at most, the best ones; where words of several touch, one mark covers them; 3. */
  most?: number;
  /** Similarity that a match needs to be marked; the best one is always. Without it, the best `most` are. */
  minSimilarity?: number;
}
