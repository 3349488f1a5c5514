import fc from "fast-check";
import { expect, test } from "vitest";
import { ProgressMeter } from "../../src/page/progress-meter.js";
import type { LoadProgress } from "../../src/protocol.js";
import type { Progress } from "../../src/types.js";

const PHASES = ["compile", "download", "convert", "load", "check"] as const;
const TOTAL = 100;

/** One worker's reports, which begin at the beginning and end anywhere. */
const life = fc.record({ steps: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 8 }), phases: fc.integer({ min: 1, max: PHASES.length }), fromCache: fc.boolean() }).map(reports);

function reports({ steps, phases, fromCache }: { steps: number[]; phases: number; fromCache: boolean }): LoadProgress[] {
  let loaded = 0;
  const bytes = steps.map((step) => (loaded = Math.min(loaded + step, TOTAL)));
  return PHASES.slice(0, phases).flatMap((phase): LoadProgress[] => {
    if (phase === "download") return [0, ...bytes].map((at) => ({ phase, loaded: at, total: TOTAL, fromCache: fromCache && at > 0 }));
    return [{ phase, loaded: phase === "compile" ? 0 : loaded, total: phase === "compile" ? 0 : TOTAL, fromCache: fromCache && phase !== "compile" }];
  });
}

test("of several workers, of which each begins anew where the last one died, nothing falls and nothing is said twice over", () => {
  fc.assert(
    fc.property(fc.array(life, { minLength: 1, maxLength: 4 }), (lives) => {
      const events: Progress[] = [];
      const meter = new ProgressMeter((progress) => events.push(progress));
      for (const report of lives.flat()) meter.report(report);
      meter.ready();
      for (const [place, now] of events.entries()) {
        const last = events[place - 1];
        if (!last) continue;
        expect(now.progress).toBeGreaterThanOrEqual(last.progress);
        expect(now.loaded).toBeGreaterThanOrEqual(last.loaded);
        expect([...PHASES, "ready"].indexOf(now.phase)).toBeGreaterThanOrEqual([...PHASES, "ready"].indexOf(last.phase));
        if (last.total > 0) expect(now.total).toBe(last.total);
        if (last.loaded > 0 && !last.fromCache) expect(now.fromCache).toBe(false);
      }
      expect(events.filter(({ progress }) => progress === 1).map(({ phase }) => phase)).toEqual(["ready"]);
    }),
  );
});
