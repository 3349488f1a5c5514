import { afterEach, describe, expect, test, vi } from "vitest";
import { joined, requireRoomForEmbeddings, requireRoomForExplanations } from "../../src/page/fit.js";
import { INFO } from "../support/engine.js";

/** The default model. */
const MINILM = { ...INFO, dimension: 384, queryLength: 256, documentLength: 256 };
/** A wide one with a long context. */
const LONG = { ...INFO, dimension: 1024, hiddenSize: 2048, queryLength: 8192, documentLength: 8192 };
const ROOM = 2 ** 31 - 2 ** 21;

const texts = (count: number, length: number) => Array<string>(count).fill("x".repeat(length));

describe("embeddings", () => {
  test("of all documents that a call takes by default fit with the default model", () => {
    expect(() => requireRoomForEmbeddings(texts(1000, 16_000), "none", MINILM)).not.toThrow();
  });

  test("are counted by what a document is cut to, and by its text where that is shorter", () => {
    const most = Math.floor(ROOM / (4 * 384 * 256));
    expect(() => requireRoomForEmbeddings(texts(most, 10_000), "none", MINILM)).not.toThrow();
    expect(() => requireRoomForEmbeddings(texts(most + 1, 10_000), "none", MINILM)).toThrow(expect.objectContaining({ code: "INPUT_TOO_LARGE" }));
    expect(() => requireRoomForEmbeddings(texts(most + 1, 100), "none", MINILM)).not.toThrow();
  });

  test("are counted by what all windows of a long document hold", () => {
    const most = Math.floor(ROOM / (4 * 384 * 256 * 4));
    expect(() => requireRoomForEmbeddings(texts(most, 10_000), "none", MINILM, { maxWindows: 4 })).not.toThrow();
    expect(() => requireRoomForEmbeddings(texts(most + 1, 10_000), "none", MINILM, { maxWindows: 4 })).toThrow(expect.objectContaining({ code: "INPUT_TOO_LARGE" }));
    expect(() => requireRoomForEmbeddings(texts(most + 1, 968), "none", MINILM, { maxWindows: 4 })).not.toThrow();
  });

  test("of one text more than fit are refused with their size and the number that fits, whichever documents are taken", () => {
    const mixed = [...texts(1000, 8000), ...texts(1000, 10)];
    const most = Math.floor(ROOM / (4 * 1024 * 8032));
    expect(() => requireRoomForEmbeddings(mixed, "none", LONG)).toThrow(
      expect.objectContaining({
        message: `the embeddings of 2,000 documents may take 33.07 GB, and an array holds 2.15 GB; ${most} documents of this length fit`,
        hint: `Encode at most ${most} of these documents in one call, or use pooling "mean".`,
      }),
    );
    expect(() => requireRoomForEmbeddings(mixed.slice(0, most), "none", LONG)).not.toThrow();
  });

  test("have a row a document with mean pooling", () => {
    expect(() => requireRoomForEmbeddings(texts(100_000, 8000), "mean", LONG)).not.toThrow();
    expect(() => requireRoomForEmbeddings(texts(1_000_000, 1), "mean", LONG)).toThrow(expect.objectContaining({ message: expect.stringContaining("261,888 documents"), hint: "Encode at most 261,888 of these documents in one call." }));
  });
});

describe("explanations", () => {
  test("of all documents that a call takes by default fit with the default model", () => {
    expect(() => requireRoomForExplanations("q".repeat(10_000), 1000, MINILM)).not.toThrow();
  });

  test("are refused with the topK that fits", () => {
    const query = "q".repeat(968);
    expect(() => requireRoomForExplanations(query, 1000, LONG)).not.toThrow();
    expect(() => requireRoomForExplanations(query, 1001, LONG)).toThrow(
      expect.objectContaining({
        code: "INPUT_TOO_LARGE",
        message: "explanations of 1,001 results may hold 1,001,000 matches; a call gives at most 1,000,000",
        hint: "Pass a topK of at most 1,000, or leave explain out.",
      }),
    );
  });

  test("count all tokens of a query that is filled up", () => {
    expect(() => requireRoomForExplanations("q", 200, { ...LONG, queryExpansion: true })).toThrow(/1,638,400 matches/);
    expect(() => requireRoomForExplanations("q", 200, LONG)).not.toThrow();
  });
});

describe("joining", () => {
  afterEach(() => vi.unstubAllGlobals());

  test("puts the parts into one array, wherever they were cut, and lets them go", () => {
    const parts = [Float32Array.of(1, 2, 3), new Float32Array(), Float32Array.of(4, 5, 6)];
    const lengths = Uint32Array.of(1, 0, 2);
    const rest = { lengths, dimension: 2, truncated: Uint8Array.of(0, 0, 1) };
    expect(joined({ parts, ...rest })).toEqual({ values: Float32Array.of(1, 2, 3, 4, 5, 6), ...rest });
    expect(parts).toEqual([]);
    expect(joined({ parts: [], lengths: new Uint32Array(), dimension: 2, truncated: new Uint8Array() }).values).toHaveLength(0);
  });

  test.each([
    [10, "Encode at most 5 of these documents"],
    [1, "Send fewer or shorter documents"],
  ])("of %i texts, where memory is short, says what to do", (count, hint) => {
    const parts = [new Float32Array(3)];
    const lengths = new Uint32Array(count);
    class Full {
      static BYTES_PER_ELEMENT = 4;
      constructor() {
        throw new RangeError("Array buffer allocation failed");
      }
    }
    vi.stubGlobal("Float32Array", Full);
    expect(() => joined({ parts, lengths, dimension: 3, truncated: new Uint8Array(count) })).toThrow(
      expect.objectContaining({ code: "OUT_OF_MEMORY", hint: expect.stringContaining(hint), cause: expect.any(RangeError) }),
    );
  });
});
