// The proof that nothing leaves the tab.
import { byId } from "./dom.ts";

/** `count` is undefined as long as no model is loaded. */
export function showRequests(count: number | undefined): void {
  byId("request-count").textContent = count === undefined ? "–" : String(count);
  byId("request-unit").textContent =
    count === undefined ? "counted once the model is loaded" : `${count === 1 ? "request" : "requests"} since the model was loaded`;
}
