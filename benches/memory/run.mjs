// How much memory does it take? Tables of the wasm module's, of the command line's, of what is read back from a GPU, of one long document, of conversions, and of pages as images; exits with 1 where a limit is not kept.
import { parseArgs } from "node:util";
import { table } from "../browser/lib/format.mjs";
import { conversion } from "./conversion.mjs";
import { long } from "./long.mjs";
import { pages, pdf } from "./pages.mjs";
import { readBack } from "./read-back.mjs";
import { resident } from "./resident.mjs";
import { wasm } from "./wasm.mjs";

const PARTS = { wasm, resident, "read-back": readBack, long, conversion, pages, pdf };

const USAGE = `node run.mjs [options]

  --only A,B         only these parts: ${Object.keys(PARTS).join(", ")}
  --markdown         print the tables as Markdown
`;

async function main() {
  const { values } = parseArgs({
    options: { only: { type: "string" }, markdown: { type: "boolean", default: false }, help: { type: "boolean", default: false } },
  });
  if (values.help) return process.stdout.write(USAGE);
  const chosen = values.only?.split(",") ?? Object.keys(PARTS);
  const unknown = chosen.find((name) => !PARTS[name]);
  if (unknown) throw new Error(`no part "${unknown}"; there are ${Object.keys(PARTS).join(", ")}`);
  const missed = [];
  for (const name of chosen) {
    for (const { title, rows, wrong } of await PARTS[name]()) {
      process.stdout.write(`${[title, "", ...table(rows, values), ""].join("\n")}\n`);
      missed.push(...wrong);
    }
  }
  for (const line of missed) process.stderr.write(`MISSED: ${line}\n`);
  if (missed.length > 0) process.exitCode = 1;
}

main().catch((error) => {
  process.stderr.write(`memory: ${error.message}\n`);
  process.exit(1);
});
