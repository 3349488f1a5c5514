import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Patience, within } from "../src/patience.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("patience", () => {
  test("ends once, after the limit", async () => {
    const end = vi.fn();
    new Patience(1000, end);
    await vi.advanceTimersByTimeAsync(999);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5000);
    expect(end).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("begins anew with each sign of life, and never ends once it is stopped", async () => {
    const end = vi.fn();
    const patience = new Patience(1000, end);
    for (let sign = 0; sign < 10; sign++) {
      await vi.advanceTimersByTimeAsync(900);
      patience.renew();
    }
    expect(end).not.toHaveBeenCalled();
    patience.stop();
    await vi.advanceTimersByTimeAsync(5000);
    expect(end).not.toHaveBeenCalled();
  });

  test("without end is longer than the longest timer of a browser", () => {
    const set = vi.spyOn(globalThis, "setInterval");
    new Patience(Number.MAX_SAFE_INTEGER, () => {}).stop();
    expect(set).toHaveBeenCalledWith(expect.any(Function), 2 ** 31 - 1);
  });
});

describe("a step within a limit", () => {
  const late = () => new Error("late");

  test("gives what it gives, its error included, and leaves no timer", async () => {
    expect(await within(1000, Promise.resolve(7), late)).toBe(7);
    await expect(within(1000, Promise.reject(new Error("its own")), late)).rejects.toThrow("its own");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("that never ends is given up", async () => {
    const step = within(1000, new Promise(() => {}), late);
    step.catch(() => {});
    await vi.advanceTimersByTimeAsync(1000);
    await expect(step).rejects.toThrow("late");
  });
});
