// On narrow screens one order shows at a time, and the results lie below the fold.
import type { Store } from "../state.ts";
import { byId } from "./dom.ts";

/** The same width as in style.css. */
const NARROW = "(max-width: 46rem)";

export function mountNarrow(store: Store): void {
  mountOrderSwitch();
  store.subscribe((state, previous) => {
    const asked = previous !== undefined && previous.question !== "" && state.question !== previous.question;
    if (asked && matchMedia(NARROW).matches) byId("results").scrollIntoView();
  });
}

function mountOrderSwitch(): void {
  const results = byId("results");
  for (const input of byId("order").querySelectorAll("input")) {
    const apply = () => {
      if (input.checked) results.dataset["order"] = input.value;
    };
    input.addEventListener("change", apply);
    apply();
  }
}
