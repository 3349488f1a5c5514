// An error as people can act on it: what happened, its code, what to do, and a way to try again.
import type { Problem } from "../state.ts";
import { button, el } from "./dom.ts";

export function problemNote(title: string, problem: Problem, retry: () => void): HTMLElement {
  const parts: HTMLElement[] = [
    el("p", { class: "problem-title" }, el("strong", {}, title), " ", el("code", {}, problem.code)),
    el("p", {}, problem.message),
  ];
  if (problem.hint !== undefined) parts.push(el("p", {}, problem.hint));
  parts.push(el("p", {}, button("Try again", retry)));
  return el("div", { class: "problem" }, ...parts);
}
