// The same paragraph in both orders: pointing at one row shows the other.
import { byId } from "./dom.ts";

export function mountLinks(): void {
  const results = byId("results");
  const link = (event: Event) => {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>(".row") : null;
    for (const other of results.querySelectorAll<HTMLElement>(".row")) {
      const same = row !== null && row !== other && row.dataset["paragraph"] === other.dataset["paragraph"];
      other.toggleAttribute("data-linked", same);
    }
  };
  for (const type of ["pointerover", "focusin", "pointerleave"]) results.addEventListener(type, link);
}
