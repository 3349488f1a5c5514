// What stands on the page of the first stage that was chosen.
import { WORDS } from "../first-stage-words.ts";
import { changed, type Store } from "../state.ts";
import { byId } from "./dom.ts";

export function mountFirstStage(store: Store): void {
  store.subscribe((state, previous) => {
    if (!changed(state, previous, "firstStage")) return;
    const { title, name, way } = WORDS[state.firstStage];
    byId("first-title").textContent = `${title} order`;
    byId("first-way").textContent = way;
    byId("first-order").textContent = title;
    byId("first-name").textContent = name;
    byId("index-note").hidden = state.firstStage !== "index";
  });
}
