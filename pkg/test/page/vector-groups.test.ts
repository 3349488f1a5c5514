import { expect, test } from "vitest";
import { groupsAt } from "../../src/page/vector-groups.js";
import type { VectorGroup } from "../../src/protocol.js";

/** Three documents of two, none and one row; each byte tells its document and row. */
const residual: VectorGroup = {
  codec: "residual",
  dimension: 4,
  codecId: "c",
  lengths: Uint32Array.of(2, 0, 1),
  places: Uint32Array.of(7, 3, 5),
  codes: Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0),
  residuals: Uint8Array.of(11, 12, 21, 22, 31, 32),
};
const int8: VectorGroup = { codec: "int8", dimension: 2, lengths: Uint32Array.of(1, 2), places: Uint32Array.of(0, 1), codes: Uint8Array.of(1, 2, 3, 4, 5, 6), scales: Float32Array.of(0.1, 0.2, 0.3) };

test("all documents of a group keep its rows", () => {
  const [group] = groupsAt([residual], new Map([[3, 0], [5, 1], [7, 2]]));
  expect(group).toEqual({ ...residual, places: Uint32Array.of(2, 0, 1) });
  expect(group!.codes).toBe(residual.codes);
});

test("some of them have theirs alone, and a group without any is left out", () => {
  const groups = groupsAt([residual, int8], new Map([[5, 4], [3, 9], [1, 0]]));
  expect(groups).toEqual([
    { ...residual, lengths: Uint32Array.of(0, 1), places: Uint32Array.of(9, 4), codes: Uint8Array.of(3, 0, 0, 0), residuals: Uint8Array.of(31, 32) },
    { ...int8, lengths: Uint32Array.of(2), places: Uint32Array.of(0), codes: Uint8Array.of(3, 4, 5, 6), scales: Float32Array.of(...int8.scales!.subarray(1)) },
  ]);
  expect(groupsAt([residual, int8], new Map([[6, 0]]))).toEqual([]);
});
