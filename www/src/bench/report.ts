// The report as text to paste. Nothing of it is said by anyone but this page, the package and the browser.
import type { ChosenDevice, GpuKernel, OperationDifference } from "tabrank";
import { count, milliseconds } from "../format.ts";
import type { Problem } from "../state.ts";
import { type Facts, table } from "./machine.ts";
import { median, type Speed, tokensASecond } from "./speed.ts";

export interface Report {
  /** Of the package. */
  version: string;
  date: Date;
  machine: Facts;
  speeds: { name: string; speed: Speed | Problem }[];
  checks: { name: string; seed: number; found: OperationDifference[] | Problem }[];
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function reportText({ version, date, machine, speeds, checks }: Report): string {
  const lines = [
    `Tabrank ${version}, ${date.toISOString()}`,
    "",
    ...table([...machine, ["processor", "browsers do not tell: please add its name"]]),
    "",
    "Tokens a second",
    ...table(speeds.map(({ name, speed }) => [name, speedLine(speed)])),
    "",
    "Operations beside their definition",
    ...table(checks.map(({ name, seed, found }) => [name, checkLine(found, seed)])),
    ...checks.flatMap(({ name, found }) => wrongIn(found).map((each) => `  WRONG on ${name}: ${differenceLine(each)}`)),
  ];
  return `${lines.join("\n")}\n`;
}

/** In a sentence or two. An operation that could not be checked may be wrong. */
export function verdictOf({ speeds, checks }: Report): string {
  if (checks.some(({ found }) => isProblem(found) || wrongIn(found).length > 0)) return "Done. Something is wrong here: please report it.";
  const untimed = speeds.filter(({ speed }) => isProblem(speed));
  if (untimed.length > 0) return `Done: every operation is right. Not timed: ${untimed.map(({ name }) => name).join(", ")}; the report says why.`;
  return "Done: every operation is right.";
}

function speedLine(speed: Speed | Problem): string {
  if (isProblem(speed)) return problemLine(speed);
  const { documents, tokens, times, load, first, model, kernel, choice, warnings } = speed;
  const parts = [
    `${whole.format(tokensASecond(speed))} (${count(documents, "document")}, ${count(tokens, "token")}, in ${milliseconds(median(times))}, median of ${times.length})`,
    `loaded in ${milliseconds(load)}`,
    `the first call of one document ${milliseconds(first)}`,
    model,
    choiceLine(choice),
    ...(kernel ? [kernelLine(kernel)] : []),
  ];
  return [...parts, ...warnings].join("; ");
}

function choiceLine({ device, workers, candidates, why }: ChosenDevice): string {
  const measured = candidates.map((each) => `${each.device} with ${count(each.workers, "worker")} ${whole.format(each.tokensPerSecond)} tokens a second`);
  return [`${device} with ${count(workers, "worker")} (${why})`, ...measured].join(", ");
}

function kernelLine({ variant, trials }: GpuKernel): string {
  return [`kernel ${variant}`, ...trials.map((trial) => `${trial.variant} ${milliseconds(trial.ms)}`)].join(", ");
}

function checkLine(found: OperationDifference[] | Problem, seed: number): string {
  if (isProblem(found)) return problemLine(found);
  const share = ({ relative, allowed }: OperationDifference) => (allowed > 0 ? relative / allowed : relative);
  const nearest = [...found].sort((a, b) => share(b) - share(a))[0];
  const right = `${found.length - wrongIn(found).length} of ${found.length} right, seed ${seed}`;
  return nearest === undefined ? right : `${right}; farthest: ${differenceLine(nearest)}`;
}

function differenceLine({ operation, shape, relative, allowed }: OperationDifference): string {
  return `${operation}, ${shape}: ${relative.toExponential(1)}, allowed ${allowed.toExponential(1)}`;
}

/** Not `>`: a difference that is NaN is wrong too. */
function wrongIn(found: OperationDifference[] | Problem): OperationDifference[] {
  return isProblem(found) ? [] : found.filter(({ relative, allowed }) => !(relative <= allowed));
}

function problemLine({ code, message }: Problem): string {
  return `${code}: ${message}`;
}

function isProblem(value: object): value is Problem {
  return "code" in value;
}
