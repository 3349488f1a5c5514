// The way to the results past everything before them. Followed as a link it would put itself in the place of the settings in the fragment.
import { byId } from "./dom.ts";

export function mountSkipLink(): void {
  byId("skip-link").addEventListener("click", (event) => {
    event.preventDefault();
    const results = byId("results");
    results.focus();
    results.scrollIntoView();
  });
}
