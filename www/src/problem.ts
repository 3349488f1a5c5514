// What went wrong, as the page shows it: code, message, what to do about it.
import type { Problem } from "./state.ts";

export class PageError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

export function failure(code: string, message: string, hint?: string): PageError {
  return new PageError({ code, message, ...(hint !== undefined && { hint }) });
}

export function asProblem(error: unknown): Problem {
  if (error instanceof PageError) return error.problem;
  if (!(error instanceof Error)) return { code: "UNEXPECTED", message: String(error) };
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  return {
    code: typeof code === "string" ? code : "UNEXPECTED",
    message: error.message,
    ...(typeof hint === "string" && { hint }),
  };
}
