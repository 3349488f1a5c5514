// Does it stay right, and as small as it was, over thousands of calls, aborts, dead workers and lost GPUs? Tables; exits with 1 where something is not.
import { parseArgs } from "node:util";
import { table } from "../browser/lib/format.mjs";
import { lives } from "./lives.mjs";
import { soak } from "./soak.mjs";

const USAGE = `node run.mjs [options]

  --calls N          calls on the CPU; WebGPU, in software, gets a fifth of them (2000)
  --seed N           of the random numbers (1)
  --only A,B         only these parts: cpu, webgpu, lives
  --markdown         print the tables as Markdown
`;

const PARTS = {
  cpu: ({ calls, seed }) => soak({ device: "cpu", harm: ["die"], often: 0.05, calls, seed }),
  webgpu: ({ calls, seed }) => soak({ device: "webgpu", harm: ["die", "lose"], often: 0.15, calls: Math.ceil(calls / 5), seed }),
  lives: () => lives(),
};

async function main() {
  const { values } = parseArgs({
    options: {
      calls: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      only: { type: "string" },
      markdown: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return process.stdout.write(USAGE);
  const options = { calls: number(values, "calls"), seed: number(values, "seed") };
  const chosen = values.only?.split(",") ?? Object.keys(PARTS);
  const unknown = chosen.find((name) => !PARTS[name]);
  if (unknown) throw new Error(`no part "${unknown}"; there are ${Object.keys(PARTS).join(", ")}`);
  const missed = [];
  for (const name of chosen) {
    for (const { title, rows, wrong } of await PARTS[name](options)) {
      process.stdout.write(`${[title, "", ...table(rows, values), ""].join("\n")}\n`);
      missed.push(...wrong);
    }
  }
  for (const line of missed) process.stderr.write(`MISSED: ${line}\n`);
  if (missed.length > 0) process.exitCode = 1;
}

function number(values, name) {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`--${name} takes a positive whole number`);
}

main().catch((error) => {
  process.stderr.write(`soak: ${error.message}\n`);
  process.exit(1);
});
