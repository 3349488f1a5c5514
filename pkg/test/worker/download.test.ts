import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { gatherFolder as load, WEIGHTS } from "../support/folder.js";
import { type Answer, FakeServer, networkError, ok, pieces, status } from "../support/server.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Milliseconds by which the clock of these tests goes on. */
const TICK = 100;

describe("two failures, then the file", () => {
  const FAULTS: Answer[] = [networkError, status(500), status(502), status(503, { "retry-after": "120" }), status(429, { "retry-after": "1" }), pieces([WEIGHTS.subarray(0, 99), new TypeError("cut")]), pieces([WEIGHTS.subarray(0, 99)]), pieces([WEIGHTS.subarray(0, 99), null])];

  test("of any kind: the load succeeds, fifty times of fifty", async () => {
    for (let run = 0; run < 50; run++) {
      const faults = [FAULTS[run % FAULTS.length]!, FAULTS[(run * 3 + (run >> 3)) % FAULTS.length]!];
      const { checkpoint, server } = await load({ "model.safetensors": [...faults, ok(WEIGHTS)] });
      expect(checkpoint.added.get("model.safetensors")).toEqual(WEIGHTS);
      // The last ones, of which there may be two, ask whether the file is still the same.
      expect([4, 5]).toContain(server.requests.filter((name) => name === "model.safetensors").length);
    }
  });

  test.each([
    ["a pause that grows", {}, 500, 3000],
    ["the seconds that the server asks for", { "retry-after": "7" }, 14_000, 14_000],
    ["the time that the server names", { "retry-after": new Date(Date.now() + 3_600_000).toUTCString() }, 60_000, 60_000],
    ["thirty seconds at most", { "retry-after": "86400" }, 60_000, 60_000],
  ])("with %s in between", async (_, headers, least, most) => {
    const start = Date.now();
    let end = 0;
    const answers = [status(503, headers), status(503, headers), () => ((end ||= Date.now()), ok("{}")())];
    await load({ "config.json": answers });
    expect(end - start).toBeGreaterThanOrEqual(least);
    expect(end - start).toBeLessThanOrEqual(most + TICK);
  });

  test("of which one stalls: it is given up after thirty seconds", async () => {
    const start = Date.now();
    const times: number[] = [];
    const stalls = () => (times.push(Date.now() - start), pieces([null])());
    await load({ "config.json": [stalls, () => (times.push(Date.now() - start), ok("{}")())] });
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(30_000);
    expect(times[1]! - times[0]!).toBeLessThanOrEqual(31_000);
  });
});

describe("lengths that servers announce", () => {
  test.each(["0", "5", "999999999999", "-1", "many"])("%s: the file's own word holds", async (length) => {
    const { checkpoint } = await load({ "config.json": ok("{}   {}", { "content-length": length }), "model.safetensors": ok(WEIGHTS, { "content-length": length }) });
    expect(checkpoint.added.get("model.safetensors")).toEqual(WEIGHTS);
    expect(checkpoint.added.get("config.json")).toHaveLength(7);
  });
});

describe("a listed file", () => {
  const LISTED = { name: "weights.safetensors", optional: false, bytes: 7000, sha256: "0" };
  const asManifest = { "tabrank.json": status(404) };

  test("is read no further than the chunk that goes past its size", async () => {
    let sent = 0;
    const endless = () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array((sent++, 100)).fill(7)) }, { highWaterMark: 0 }));
    const loading = load({ ...asManifest, [LISTED.name]: endless }, {}, [[LISTED]]);
    await expect(loading).rejects.toMatchObject({ code: "INTEGRITY_FAILED", message: "https://host/model/weights.safetensors sent more bytes; expected 7,000" });
    const tries = FakeServer.last!.requests.filter((name) => name === LISTED.name).length;
    expect(sent / tries).toBe(71);
  });

  test("over its limit is not asked for", async () => {
    const loading = load(asManifest, {}, [[{ ...LISTED, name: "config.json", bytes: 60e6 }]]);
    await expect(loading).rejects.toMatchObject({ code: "CHECKPOINT_UNSUPPORTED", message: "config.json has 60,000,000 bytes; at most 8,388,608 are loaded in a browser" });
    expect(FakeServer.last!.requests).toEqual(["tabrank.json"]);
  });
});

describe("a server that gives no answer for thirty seconds", () => {
  test.each([
    ["of the page's own origin", "https://host", expect.stringContaining("asks for a name and a password")],
    ["of another", "https://page.example", undefined],
  ])("%s: the hint says whether the browser may be waiting for a login", async (_, origin, hint) => {
    const never: Answer = () => {
      vi.stubGlobal("origin", origin);
      return new Promise(() => {});
    };
    await expect(load({ "config.json": never })).rejects.toMatchObject({ code: "NETWORK", message: expect.stringContaining("sent no byte for 30 seconds"), hint });
  });
});

describe("an address that a page on https may not fetch", () => {
  test.each([
    ["http://models.example/", true],
    ["http://127.0.0.1/", false],
    ["http://localhost/", false],
    ["https://models.example/", false],
  ])("%s is told: %s", async (url, isMixed) => {
    vi.stubGlobal("origin", "https://page.example");
    const loading = load({ "/tabrank.json": networkError }, { url });
    await expect(loading).rejects.toMatchObject({ code: "NETWORK", hint: isMixed ? expect.stringContaining("https alone") : undefined });
  });
});
