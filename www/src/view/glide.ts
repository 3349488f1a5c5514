// Rows that glide from their old place to the new one. The new rows are new elements that are moved by a transform only,
// so the layout itself never shifts.

const DURATION = 200;

export type Places = Map<string, number>;

export function placesOf(list: HTMLElement): Places {
  const places: Places = new Map();
  for (const row of visibleRows(list)) places.set(row.dataset["paragraph"]!, row.getBoundingClientRect().top);
  return places;
}

export function glide(list: HTMLElement, before: Places): void {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const row of visibleRows(list)) {
    const old = before.get(row.dataset["paragraph"]!);
    const from = old === undefined ? { opacity: 0 } : { transform: `translateY(${old - row.getBoundingClientRect().top}px)` };
    row.animate([from, {}], { duration: DURATION, easing: "ease-out" });
  }
}

function visibleRows(list: HTMLElement): HTMLElement[] {
  return [...list.querySelectorAll<HTMLElement>(":scope > .row:not([hidden])")];
}
