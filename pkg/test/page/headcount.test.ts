import { afterEach, describe, expect, test, vi } from "vitest";
import { Headcount, mayBeSeveral } from "../../src/page/headcount.js";
import { INFO } from "../support/engine.js";

const machine = (hardwareConcurrency?: number, deviceMemory?: number) => vi.stubGlobal("navigator", { hardwareConcurrency, deviceMemory });

/** Calls of 1,000 tokens, each with as many workers as are wanted by then. `speedup`: of a number of workers. */
function afterCalls(headcount: Headcount, speedup: (workers: number) => number): number {
  headcount.measured(1, 1_000, 1_000);
  for (let call = 0; call < 20; call++) headcount.measured(headcount.wanted, 1_000, 1_000 / speedup(headcount.wanted));
  return headcount.wanted;
}

const auto = (weightBytes = 25e6) => new Headcount("auto", { ...INFO, weightBytes });

afterEach(() => vi.unstubAllGlobals());

describe("auto", () => {
  test.each([
    ["scale", (workers: number) => workers, 8],
    ["are two to a core", (workers: number) => Math.min(workers, 4) + Math.max(workers - 4, 0) * 0.1, 4],
    ["are one core in truth", () => 1, 1],
    ["slow each other down", (workers: number) => 1 / workers, 1],
  ])("finds how many of eight cores pay that %s", (_, speedup, expected) => {
    machine(8, 8);
    expect(auto().wanted).toBe(2);
    expect(afterCalls(auto(), speedup)).toBe(expected);
  });

  test("takes no slow first call for the number's speed", () => {
    machine(2, 8);
    const headcount = auto();
    headcount.measured(1, 1_000, 1_000);
    headcount.measured(2, 1_000, 5_000);
    expect(headcount.wanted).toBe(2);
    headcount.measured(2, 1_000, 500);
    expect(headcount.wanted).toBe(2);
  });

  test.each([
    ["one core", 1, 8, 25e6, 1],
    ["no word of its cores", undefined, 8, 25e6, 1],
    ["more cores than pay", 64, 32, 25e6, 8],
    ["no word of its memory", 64, undefined, 25e6, 7],
    ["room for two models", 64, 8, 500e6, 2],
    ["room for one model", 64, 8, 900e6, 1],
  ])("on a machine with %s", (_, cores, memory, weightBytes, expected) => {
    machine(cores, memory);
    expect(afterCalls(auto(weightBytes), (workers) => workers)).toBe(expected);
  });
});

test("a number is taken as it is, and is one less once a worker could not load", () => {
  machine(2, 1);
  const headcount = new Headcount(7, INFO);
  expect(afterCalls(headcount, () => 1)).toBe(7);
  headcount.failed();
  expect(headcount.wanted).toBe(6);
});

test("files are shared only where there may be several workers", () => {
  machine(1);
  expect([mayBeSeveral("auto"), mayBeSeveral(1), mayBeSeveral(2)]).toEqual([false, false, true]);
  machine(2);
  expect(mayBeSeveral("auto")).toBe(true);
});
