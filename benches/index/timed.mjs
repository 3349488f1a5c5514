import { execFileSync } from "node:child_process";

const SCRIPT = "import resource, subprocess, sys, time; start = time.time(); subprocess.run(sys.argv[1:], check=True); print(time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";

/** Runs a program; its seconds, and the most bytes that it had in memory, as the kernel counts them. */
export function timed(program, args) {
  const said = execFileSync("python3", ["-c", SCRIPT, program, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 });
  const [seconds, kilobytes] = said.trim().split("\n").at(-1).split(" ").map(Number);
  return { seconds, memory: 1024 * kilobytes };
}
