/** What Node gives a command. */

import { builtin } from "../node.js";

interface Entry {
  name: string;
  isDirectory(): boolean;
}

interface Files {
  readFileSync(path: string | number): Uint8Array<ArrayBuffer>;
  readdirSync(path: string, options: { withFileTypes: true }): Entry[];
  statSync(path: string): { isDirectory(): boolean };
  writeSync(descriptor: number, text: Uint8Array, offset: number): number;
}

interface Process {
  argv: string[];
  exitCode: number | undefined;
}

export const fs = builtin<Files>("fs")!;
export const { argv } = builtin<Process>("process")!;

export const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

export function exitWith(code: number): void {
  builtin<Process>("process")!.exitCode = code;
}

export function print(text: string): void {
  write(STDOUT, text);
}

/** What is no data. */
export function say(text: string): void {
  write(STDERR, `tabrank: ${text}\n`);
}

/** A pipe takes some at a time, and may be full. */
function write(descriptor: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let start = 0; start < bytes.length; ) {
    try {
      start += fs.writeSync(descriptor, bytes, start);
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw new Unwritten(error);
    }
  }
}

/** Stdout or stderr cannot be written. */
export class Unwritten extends Error {
  constructor(cause: unknown) {
    super(`cannot write stdout: ${(cause as Error).message}`, { cause });
  }

  /** The reader of our output went away, as `head` does: no failure. */
  get isClosedPipe(): boolean {
    return (this.cause as { code?: string }).code === "EPIPE";
  }
}
