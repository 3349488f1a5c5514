// A list that shows its first rows and the others on request.
import type { Store } from "../state.ts";
import { button, el } from "./dom.ts";

const FOLD = 10;

export function showRows(list: HTMLElement, rows: readonly HTMLElement[], store: Store): void {
  list.replaceChildren(...rows);
  fold(list, store);
}

/** Both lists fold together, so that equal ranks stay side by side. */
export function fold(list: HTMLElement, store: Store): void {
  const rows = [...list.querySelectorAll<HTMLElement>(":scope > .row")];
  const folded = !store.state.expanded && rows.length > FOLD;
  for (const row of rows.slice(FOLD)) row.hidden = folded;
  list.querySelector(".unfold")?.remove();
  if (!folded) return;
  const unfold = button(`Show all ${rows.length}`, () => {
    store.set({ expanded: true });
    rows[FOLD]?.querySelector("button")?.focus({ preventScroll: true });
  });
  list.append(el("li", { class: "unfold" }, unfold));
}
