import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RerankerError } from "../../src/error.js";
import { checkLimits, checkQuery, checkTotalLength, DEFAULT_LIMITS, listOf, textsOf } from "../../src/page/input.js";

const CANARY = "do-not-tell";

function thrown(task: () => unknown): RerankerError {
  try {
    task();
  } catch (error) {
    expect(error).toBeInstanceOf(RerankerError);
    return error as RerankerError;
  }
  throw new Error("nothing was thrown");
}

const texts = (documents: unknown, text?: unknown) => textsOf(listOf(documents as unknown[], DEFAULT_LIMITS), text as (document: unknown) => string, DEFAULT_LIMITS);

describe("documents", () => {
  test("are strings, objects with a text, or whatever the text option reads", () => {
    expect(texts(["a", { text: "b" }, ""])).toEqual(["a", "b", ""]);
    expect(texts([{ body: "c" }], (document: { body: string }) => document.body)).toEqual(["c"]);
  });

  const getter = Object.defineProperty({}, "text", { get: () => { throw new Error(CANARY); } });
  test.each([
    ["null", null, "documents is null; expected an array"],
    ["a string", CANARY, "documents is a string; expected an array"],
    ["a record", { length: 1 }, "documents is an object; expected an array"],
    ["undefined in the list", ["a", undefined], "documents[1] is undefined; expected a string"],
    ["a hole", [, "a"], "documents[0] is undefined; expected a string"],
    ["a number", [7], "documents[0] is a number; expected a string"],
    ["an object without text", ["a", { body: CANARY }], "documents[1].text is undefined; expected a string"],
    ["an array in the list", [[CANARY]], "documents[0].text is undefined; expected a string"],
    ["a getter that throws", ["a", getter], "documents[1]: reading its text threw an error"],
    ["a revoked proxy", [revoked()], "documents[0]: reading its text threw an error"],
  ])("refused: %s", (_, documents, message) => {
    expect(thrown(() => texts(documents))).toMatchObject({ code: "INVALID_INPUT", message });
  });

  test("that the text option cannot read are named by index, with the cause kept", () => {
    const cause = new Error(CANARY);
    const text = (document: number) => {
      if (document === 17) throw cause;
      return "a";
    };
    const error = thrown(() => texts(Array.from({ length: 20 }, (_, index) => index), text));
    expect(error).toMatchObject({ message: "documents[17]: reading its text threw an error", cause });
    const missing = thrown(() => texts([{}], (document: { body?: string }) => document.body));
    expect(missing).toMatchObject({ message: "documents[0]: the text option gave undefined; expected a string", hint: expect.stringContaining("d.body") });
  });

  test("of any kind at all are texts or an error that names a place and gives no text away", () => {
    fc.assert(
      fc.property(fc.array(fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true })), (documents) => {
        try {
          expect(texts(documents).every((text) => typeof text === "string")).toBe(true);
        } catch (error) {
          expect((error as RerankerError).message).toMatch(/^documents\[\d+\](\.text)?( is (an?|an empty) \w+| is null| is undefined|: reading)/);
        }
      }),
    );
  });
});

describe("limits", () => {
  const limits = checkLimits({ documents: 2, textLength: 4, totalLength: 6 });
  test.each([
    ["documents", () => listOf(["a", "b", "c"], limits), "documents has 3 entries; limits.documents is 2"],
    ["a text", () => textsOf(["a", "bbbbb"], undefined, limits), "documents[1] has 5 UTF-16 units; limits.textLength is 4"],
    ["the query", () => checkQuery("abcde", limits), "query has 5 UTF-16 units; limits.textLength is 4"],
    ["the whole call", () => checkTotalLength(["abcd", "abc"], limits), "the call's text has 7 UTF-16 units; limits.totalLength is 6"],
  ])("on %s", (_, task, message) => {
    expect(thrown(task)).toMatchObject({ code: "INPUT_TOO_LARGE", message });
  });

  test("are kept exactly", () => {
    expect(textsOf(["abcd", "ab"], undefined, limits)).toHaveLength(2);
    expect(() => checkTotalLength(["abcd", "ab"], limits)).not.toThrow();
    expect(checkLimits(undefined)).toEqual({ documents: 1000, textLength: 2 ** 20, totalLength: 2 ** 24, embeddingBytes: 2 ** 28, pagePixels: 2 ** 26, queue: 32, silence: 10_000 });
  });

  test("are positive integers", () => {
    expect(thrown(() => checkLimits({ queue: 0 })).message).toBe("limits.queue is 0; expected a positive integer");
  });
});

test.each([undefined, null, 7, "", " \n\t"])("the query %j is refused", (query) => {
  expect(thrown(() => checkQuery(query, DEFAULT_LIMITS)).code).toBe("INVALID_INPUT");
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
