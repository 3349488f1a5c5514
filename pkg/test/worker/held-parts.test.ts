import { expect, test } from "vitest";
import { HeldParts } from "../../src/worker/held-parts.js";

const MIB = 1024 * 1024;
const part = (value: number) => new Uint8Array(12 * MIB).fill(value);

test("parts of 32 MiB stay, those that were used last", async () => {
  const held = new HeldParts();
  held.add("a", part(1));
  held.add("b", part(2));
  await held.get("a");
  held.add("c", part(3));
  expect((await held.get("b"))?.length).toBeUndefined();
  for (const [file, value] of [["a", 1], ["c", 3]] as const) expect((await held.get(file))?.[MIB]).toBe(value);
});

test("a part that comes again counts once", async () => {
  const held = new HeldParts();
  held.add("a", part(1));
  for (let time = 0; time < 5; time++) held.add("b", part(2));
  expect((await held.get("a"))?.length).toBe(12 * MIB);
});

test("pinned parts stay, however many there are, and count for nothing", async () => {
  const held = new HeldParts();
  held.add("a", part(9));
  for (let file = 0; file < 4; file++) held.pin(String(file), part(file));
  for (let file = 0; file < 4; file++) held.add(String(file), part(file));
  for (let file = 0; file < 4; file++) expect((await held.get(String(file)))?.[MIB]).toBe(file);
  expect((await held.get("a"))?.[MIB]).toBe(9);
});
