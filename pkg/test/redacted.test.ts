import fc from "fast-check";
import { expect, test } from "vitest";
import { redacted, redactedText } from "../src/redacted.js";

test.each([
  ["https://host/model/config.json", "https://host/model/config.json"],
  ["https://user:pass@host:8080/model/", "https://host:8080/model/"],
  ["https://host/model/?X-Amz-Signature=abc&X-Amz-Date=1", "https://host/model/?…"],
  ["https://host/model/?abc", "https://host/model/?…"],
  ["https://host/model/#token=abc", "https://host/model/"],
  ["chrome-extension://id/model/", "chrome-extension://id/model/"],
  ["file:///home/model/", "file:///home/model/"],
  ["data:application/wasm;base64,AGFzbQ==", "data:…"],
  ["blob:https://host/0-1-2", "blob:…"],
])("%s is shown as %s", (address, shown) => {
  expect(redacted(address)).toBe(shown);
});

test("of any name, password and query nothing is shown", () => {
  const secret = fc.string({ unit: fc.constantFrom(..."abcxyzABC012&=+/%~.-_é"), minLength: 6, maxLength: 30 }).map((text) => `SECRET${text}`);
  fc.assert(
    fc.property(secret, secret, secret, secret, (name, password, key, value) => {
      const url = new URL("https://host/model/config.json");
      Object.assign(url, { username: name, password });
      url.searchParams.set(key, value);
      expect(redacted(url.href)).toBe("https://host/model/config.json?…");
      expect(redactedText(`Failed to load '${url.href}', see ${url.href}.`)).not.toContain("SECRET");
    }),
  );
});

test("a browser's words keep what is no address", () => {
  expect(redactedText("cannot load https://a:b@host/x.js?s=1: blocked")).toBe("cannot load https://host/x.js?… blocked");
  expect(redactedText("no address at all")).toBe("no address at all");
});
