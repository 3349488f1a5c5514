// The command line of a bench: what is wrong with it is one line, and exit code 2.
import { parseArgs } from "node:util";

/** As of parseArgs. `needed`: options without which nothing can be run; `counts`: those that are whole numbers from 1; `lists`: several of these, with commas between them, or none. */
export function argumentsOf(config, { needed = [], counts = [], lists = [] } = {}) {
  try {
    const parsed = parseArgs(config);
    const given = (name) => parsed.values[name];
    const isCount = (text) => /^[1-9]\d{0,8}$/.test(text);
    for (const name of needed) if (given(name) === undefined) throw new Error(`--${name} is needed`);
    for (const name of counts) if (!isCount(given(name))) throw new Error(`--${name} is ${given(name)}; expected a whole number from 1`);
    for (const name of lists) if (given(name) !== "" && !given(name).split(",").every(isCount)) throw new Error(`--${name} is ${given(name)}; expected whole numbers from 1, with commas between them`);
    return parsed;
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
