// Which model? The page's own, some that are known, or one of a hub by its id. Choosing asks no other site for anything.
import { megabytes } from "../format.ts";
import { aboutPageModel, KNOWN_MODELS, OWN_MODEL, PAGE_MODEL } from "../known-models.ts";
import { type ModelSource, nameOf, sameSource } from "../model-place.ts";
import { asHubModel, ownModel, type Settings } from "../settings.ts";
import { changed, type Store } from "../state.ts";
import type { Announce } from "./announcer.ts";
import { byId, el, uniqueId } from "./dom.ts";

interface Choice {
  source: ModelSource;
  /** Where it is, how large, under which licence. */
  about: string;
}

export function mountModelChooser(store: Store, { hub, source }: Settings, choose: (source: ModelSource) => void, announce: Announce): void {
  const form = byId<HTMLFormElement>("model-form");
  const choices = choicesFor(hub, source);
  const id = byId<HTMLInputElement>("hub-id");
  const other = byId<HTMLInputElement>("hub-other");
  const note = byId("hub-note");
  byId("model-choices").prepend(...choices.map(({ source, about }, place) => choiceLine(String(place), nameOf(source), about)));
  byId("hub-name").textContent = hub.host;
  byId("page-model-note").textContent = `These read texts. A model of pages sees those of a PDF as images: ${aboutPageModel(hub.host)}. Beside the model for texts it is offered once there is one under “Search texts of your own”, and loaded when you say so.`;
  id.addEventListener("input", () => {
    other.checked = true;
    note.textContent = "";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = new FormData(form).get("model-choice");
    const chosen = value === "other" ? asHubModel(id.value, hub) : choices[Number(value)]?.source;
    note.textContent = refusal(chosen);
    if (chosen === undefined || note.textContent !== "") {
      announce(note.textContent);
      return id.focus();
    }
    byId<HTMLDetailsElement>("model-chooser").open = false;
    byId("model-title").focus();
    choose(chosen);
  });
  store.subscribe((state, previous) => {
    if (!changed(state, previous, "source")) return;
    const place = choices.findIndex(({ source }) => sameSource(source, state.source));
    for (const input of form.querySelectorAll<HTMLInputElement>("[name=model-choice]")) input.checked = input.value === (place < 0 ? "other" : String(place));
    if (place < 0) id.value = nameOf(state.source);
  });
}

/** Nothing of a model that can be chosen. */
function refusal(chosen: ModelSource | undefined): string {
  if (chosen === undefined) return "An id is an owner and a name, such as answerdotai/answerai-colbert-small-v1.";
  return nameOf(chosen) === PAGE_MODEL.id ? `${PAGE_MODEL.name} reads pages as images, and no texts: it is offered once there is a PDF under “Search texts of your own”.` : "";
}

function choicesFor(hub: URL, source: ModelSource): Choice[] {
  const own = ownModel(new URL(location.href));
  const given = source.kind === "folder" && !source.hasBundles ? [{ source, about: "a folder of this site" }] : [];
  const known = KNOWN_MODELS.map(({ id, size, licence, about }) => ({ source: { kind: "hub", id, hub } as const, about: `${megabytes(size)} from ${hub.host}, ${licence}; ${about}` }));
  return [{ source: own, about: `this page’s own, ${OWN_MODEL.licence}; ${OWN_MODEL.about}` }, ...given, ...known];
}

function choiceLine(value: string, name: string, about: string): HTMLElement {
  const [input, told] = [uniqueId("model"), uniqueId("about")];
  return el(
    "p",
    { class: "model-choice" },
    el("input", { type: "radio", name: "model-choice", value, id: input, "aria-describedby": told }),
    el("label", { for: input }, name),
    el("span", { class: "aside", id: told }, about),
  );
}
