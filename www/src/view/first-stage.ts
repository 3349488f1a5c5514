// What stands on the page of the first stage that was chosen.
import { WORDS } from "../first-stage-words.ts";
import { changed, firstStageOf, type Store } from "../state.ts";
import { byId } from "./dom.ts";

export function mountFirstStage(store: Store): void {
  store.subscribe((state, previous) => {
    if (!changed(state, previous, "firstStage", "own")) return;
    const { title, name, way } = WORDS[firstStageOf(state)];
    byId("first-title").textContent = `${title} order`;
    byId("first-way").textContent = way;
    byId("first-order").textContent = title;
    byId("first-name").textContent = name;
    byId<HTMLFieldSetElement>("first-stage").disabled = state.own !== undefined;
    byId("own-first-stage").hidden = state.own === undefined;
    byId("index-note").hidden = firstStageOf(state) !== "index";
  });
}
