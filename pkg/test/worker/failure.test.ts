import { expect, test } from "vitest";
import { RerankerError } from "../../src/error.js";
import { errorData, isDeath, withoutQuotes } from "../../src/worker/failure.js";

test.each([
  ["a trap in Safari", new WebAssembly.RuntimeError("Unreachable code should not be executed (evaluating 'f()')"), true, "OUT_OF_MEMORY"],
  ["a trap", new WebAssembly.RuntimeError("unreachable"), true, "OUT_OF_MEMORY"],
  ["a trap of another kind", new WebAssembly.RuntimeError("memory access out of bounds"), true, "INTERNAL"],
  ["a failed allocation", new RangeError("Array buffer allocation failed"), true, "OUT_OF_MEMORY"],
  ["a full stack", new RangeError("Maximum call stack size exceeded"), true, "INTERNAL"],
  ["an engine's error", Object.assign(new Error("bad"), { code: "CHECKPOINT_INVALID" }), false, "CHECKPOINT_INVALID"],
  ["an unknown code", Object.assign(new Error("bad"), { code: "EWHAT" }), false, "INTERNAL"],
  ["no error at all", "secret text", false, "INTERNAL"],
])("%s", (_, thrown, death, code) => {
  expect(isDeath(thrown, undefined)).toBe(death);
  expect(errorData(thrown, undefined).code).toBe(code);
});

test.each([
  ["panicked at alloc/src/raw_vec.rs:28:5:\ncapacity overflow", "OUT_OF_MEMORY"],
  ["panicked at library/alloc/src/alloc.rs:1:1:\nmemory allocation of 2147483648 bytes failed", "OUT_OF_MEMORY"],
  ["panicked at src/maxsim.rs:12:1:\nindex out of bounds: the len is 3 but the index is 3", "INTERNAL"],
])("the panic %j", (panic, code) => {
  const trap = new WebAssembly.RuntimeError("unreachable");
  expect(isDeath(trap, panic)).toBe(true);
  expect(errorData(trap, panic)).toEqual({ code, message: `the engine panicked: ${panic}` });
});

test("an address in a browser's words is told without its secrets", () => {
  const error = new TypeError("Failed to execute 'fetch': https://me:pass@host/model/?sig=abc is no good");
  expect(errorData(error, undefined).message).toBe("TypeError: Failed to execute 'fetch': https://host/model/?… is no good");
});

test("an error of our own crosses whole", () => {
  const data = { code: "HTTP_STATUS", message: "m", hint: "h", retryable: true, details: { url: "u", status: 503 } } as const;
  expect(errorData(new RerankerError(data), undefined)).toEqual(data);
});

test.each([
  ["byte index 9 is out of bounds of `my `odd` text`[...] at src/a.rs:1", "byte index 9 is out of bounds of (text)[...] at src/a.rs:1"],
  ["begin <= end (4 <= 2) when slicing `my text`", "begin <= end (4 <= 2) when slicing (text)"],
  ["it is inside 'é' (bytes 0..2) of `é`", "it is inside (text)"],
  ['assertion failed\n left: "my text"\n right: "your text"', "assertion failed\n left: (text)"],
  ["called `Option::unwrap()` on a `None` value at src/a.rs:1", "called `Option::unwrap()` on a `None` value at src/a.rs:1"],
])("quoted texts are cut from %j", (message, expected) => {
  expect(withoutQuotes(message)).toBe(expected);
});
