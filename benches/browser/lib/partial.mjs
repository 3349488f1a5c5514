// Results while they come, and what a budget of half the time gives: the same call with somebody who listens, and with less time.
import { median, table, time } from "./format.mjs";

/** Adds the runs to a contestant. */
export async function watchPartial({ contestant, sample, call }, runs) {
  contestant.partial = [];
  for (let run = 0; run < runs; run += 1) {
    const told = await call("told", sample);
    contestant.partial.push({ ...told, ...(await call("budgeted", sample, told.all / 2)) });
  }
}

const COLUMNS = [
  ["results while they come", ({ label }) => label],
  ["first", ({ middle }) => time(middle("first"))],
  ["the first ten of the list", ({ middle }) => time(middle("top"))],
  ["all", ({ middle }) => time(middle("all"))],
  ["a budget of half of that", ({ middle }) => time(middle("budget"))],
  ["answered after", ({ middle }) => time(middle("time"))],
  ["scored by then", ({ middle, documents }) => `${Math.round(middle("scored"))} of ${documents}`],
];

/** Of those that were watched. */
export function partialLines(ran, { documents }, label, style) {
  const watched = ran.filter(({ partial }) => partial);
  if (!watched.length) return [];
  const body = watched.map((each) => {
    const row = { label: label(each), documents: documents.length, middle: (name) => median(each.partial.map((run) => run[name])) };
    return COLUMNS.map(([, cell]) => cell(row));
  });
  return ["", ...table([COLUMNS.map(([title]) => title), ...body], style)];
}
