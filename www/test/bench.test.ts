import { describe, expect, it } from "vitest";
import { adapterName } from "../src/bench/machine.ts";
import { type Report, reportText, verdictOf } from "../src/bench/report.ts";
import { fitting, tokensASecond } from "../src/bench/speed.ts";
import { nearest } from "../src/bench/texts.ts";

const SPEED = { documents: 20, tokens: 2_345, load: 800, first: 120, times: [1_000, 900, 5_000], model: "bert, q8", kernel: { variant: "b", trials: [{ variant: "b", ms: 1.25 }, { variant: "a", ms: 20 }] }, choice: { device: "cpu" as const, workers: 2, candidates: [{ device: "cpu" as const, workers: 2, tokensPerSecond: 4_000.4 }], why: "measured" as const }, warnings: ["CACHE_UNAVAILABLE"] };
const RIGHT = { operation: "norms", shape: "3 x 4", relative: 1e-6, allowed: 1e-4 };

function report(found: Report["checks"][number]["found"], speed: Report["speeds"][number]["speed"] = SPEED): Report {
  return {
    version: "1.2.3",
    date: new Date(0),
    machine: [["browser", "Chromium 1"], ["cores", "2"]],
    speeds: [{ name: "CPU", speed }],
    checks: [{ name: "CPU", seed: 7, found }],
  };
}

describe("the report", () => {
  it("says what was measured, in lines", () => {
    const text = reportText(report([RIGHT, { ...RIGHT, operation: "linear q8", relative: 0, allowed: 0 }]));
    expect(text.split("\n")).toEqual([
      "Tabrank 1.2.3, 1970-01-01T00:00:00.000Z",
      "",
      "  browser    Chromium 1",
      "  cores      2",
      "  processor  browsers do not tell: please add its name",
      "",
      "Tokens a second",
      "  CPU  2,345 (20 documents, 2,345 tokens, in 1,000 ms, median of 3); loaded in 800 ms; the first call of one document 120 ms; bert, q8; cpu with 2 workers (measured), cpu with 2 workers 4,000 tokens a second; kernel b, b 1.3 ms, a 20 ms; CACHE_UNAVAILABLE",
      "",
      "Operations beside their definition",
      "  CPU  2 of 2 right, seed 7; farthest: norms, 3 x 4: 1.0e-6, allowed 1.0e-4",
      "",
    ]);
  });

  it.each([[NaN, "NaN"], [Infinity, "Infinity"], [0.5, "5.0e-1"]])("names an operation that is %d off", (relative, shown) => {
    const wrong = report([RIGHT, { ...RIGHT, operation: "attention", relative }]);
    expect(verdictOf(wrong)).toMatch("Something is wrong");
    expect(reportText(wrong)).toContain(`  CPU  1 of 2 right`);
    expect(reportText(wrong)).toContain(`  WRONG on CPU: attention, 3 x 4: ${shown}, allowed 1.0e-4`);
  });

  it("tells why a device was not timed or not checked", () => {
    const problem = { code: "WEBGPU_UNAVAILABLE", message: "no adapter" };
    expect(verdictOf(report(problem))).toMatch("Something is wrong");
    expect(verdictOf(report([RIGHT]))).toBe("Done: every operation is right.");
    expect(verdictOf(report([RIGHT], problem))).toBe("Done: every operation is right. Not timed: CPU; the report says why.");
    expect(reportText(report(problem, problem)).match(/ {2}CPU {2}WEBGPU_UNAVAILABLE: no adapter/g)).toHaveLength(2);
  });
});

describe("what is timed", () => {
  it("is as much as some seconds hold, by the median call", () => {
    expect([1, 25, 250, 9_000].map((one) => fitting(one, 100))).toEqual([100, 100, 10, 1]);
    expect(tokensASecond(SPEED)).toBe(2_345);
  });

  it("is the texts of one length, the nearest first", () => {
    const texts = ["", "a".repeat(549), "b".repeat(900), "c".repeat(552)];
    expect(nearest(texts).map((text) => text[0] ?? "")).toEqual(["a", "c", "b", ""]);
  });
});

describe("an adapter", () => {
  const info = { vendor: "google", architecture: "swiftshader", device: "", description: "" };
  const adapter = { features: new Set<string>(), limits: { maxBufferSize: 1, maxStorageBufferBindingSize: 1, maxComputeWorkgroupStorageSize: 1 } };

  it("in software is called so, wherever the browser says it", () => {
    expect(adapterName({ ...adapter, info })).toBe("google swiftshader");
    expect(adapterName({ ...adapter, info: { ...info, isFallbackAdapter: true } })).toBe("google swiftshader (in software)");
    expect(adapterName({ ...adapter, info, isFallbackAdapter: true })).toBe("google swiftshader (in software)");
  });
});
