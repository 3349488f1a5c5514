import { expect, test } from "vitest";
import { BUDGETS, sizeOf } from "../../scripts/module-sizes.mjs";

test.each(Object.keys(BUDGETS))("%s is within its budget by brotli", { timeout: 300_000 }, async (name) => {
  const { brotli, budget } = await sizeOf(name);
  expect(brotli).toBeGreaterThan(budget / 2);
  expect(brotli).toBeLessThanOrEqual(budget);
});
