// Light, dark, or as the system says. public/theme.js applies the stored choice before the first paint.
import { byId } from "./dom.ts";

export function mountTheme(): void {
  const choices = byId("theme").querySelectorAll<HTMLInputElement>("input");
  const present = document.documentElement.dataset["theme"] ?? "auto";
  for (const choice of choices) {
    choice.checked = choice.value === present;
    choice.addEventListener("change", () => apply(choice.value));
  }
}

function apply(theme: string): void {
  const { dataset } = document.documentElement;
  if (theme === "auto") delete dataset["theme"];
  else dataset["theme"] = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage is refused in some private windows; the choice then holds for this visit.
  }
}
