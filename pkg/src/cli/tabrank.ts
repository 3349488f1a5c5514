/** The `tabrank` command for Node: `rerank`, `encode` and `index search` of the native command, with the same arguments, lines and exit codes, by the package's own modules. */

import { VERSION } from "../version.js";
import { encode } from "./encode.js";
import { exitCodeOf, type Failure, usage } from "./failure.js";
import { argv, exitWith, print, say, Unwritten } from "./host.js";
import { search } from "./index-search.js";
import { rerank } from "./rerank.js";

const HELP = `Late-interaction reranking: encode query and documents, score them by MaxSim, keep the best

Usage: tabrank <COMMAND>

Commands:
  rerank   Rerank candidates against a query
  encode   Encode texts ahead of time, as JSONL of floats
  index    search: search an index that the native command has built

Arguments, JSONL and exit codes are those of the native command, which is faster, does more (eval, codec, convert,
inspect, verify, all else of index, output to files) and describes its arguments: cargo install tabrank --features cli, or cargo binstall tabrank
`;

const COMMANDS: Record<string, (words: string[]) => Promise<void>> = { rerank, encode, index };

const NATIVE = ["eval", "codec", "convert", "inspect", "verify"];

async function index([command = "", ...words]: string[]): Promise<void> {
  if (["build", "add", "delete", "merge"].includes(command)) throw ofNative(`index ${command}`);
  if (command !== "search") throw usage("of index there is search here");
  await search(words);
}

function ofNative(command: string): Failure {
  return usage(`${command} is of the native command alone: cargo install tabrank --features cli, or cargo binstall tabrank`);
}

async function run([command = "", ...words]: string[]): Promise<void> {
  if (["--version", "-V"].includes(command)) return print(`tabrank ${VERSION}\n`);
  if (["help", "--help", "-h"].includes(command) || words.includes("--help") || words.includes("-h")) return print(HELP);
  if (NATIVE.includes(command)) throw ofNative(command);
  if (!Object.hasOwn(COMMANDS, command)) throw usage(`${command === "" ? "a command is missing" : "there is no such command"}\n\n${HELP}`);
  await COMMANDS[command]!(words);
}

try {
  await run(argv.slice(2));
} catch (error) {
  const isQuiet = error instanceof Unwritten && error.isClosedPipe;
  if (!isQuiet) {
    say((error as Error).message);
    exitWith(exitCodeOf(error));
  }
}
