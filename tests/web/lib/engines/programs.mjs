// Programs that tests drive.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";

/** The program's path: the one that a variable of the environment names, or the first of these that is there. */
export function installed(variable, paths, what) {
  const path = process.env[variable] ?? paths.find(existsSync);
  if (!path || !existsSync(path)) throw new Error(`${path ?? paths[0]} is missing: run \`scripts/require.sh ${what}\` at the repository's root, or name yours in ${variable}.`);
  return path;
}

/** Starts a program, which `end` ends with all that it has started, as the end of this process does. */
export function start(path, parameters, options) {
  const program = spawn(path, parameters, { ...options, detached: true });
  const kill = () => {
    try {
      process.kill(-program.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  process.on("exit", kill);
  const end = async () => {
    process.off("exit", kill);
    kill();
    if (program.exitCode === null && program.signalCode === null) await once(program, "exit");
  };
  return Object.assign(program, { end });
}
