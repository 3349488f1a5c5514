// What the user may set: how candidates are found and how many are reranked, on which device, and with which weights.
import type { Choices } from "../settings.ts";
import { changed, type Store } from "../state.ts";
import { byId, el } from "./dom.ts";

export function mountSettingsPanel(store: Store, choose: (patch: Partial<Choices>) => void): void {
  mountGroup(store, "first-stage", "firstStage", (value) => choose({ firstStage: value as Choices["firstStage"] }));
  mountGroup(store, "candidates", "candidates", (value) => choose({ candidates: Number(value) }));
  mountGroup(store, "device", "device", (value) => choose({ device: value as Choices["device"] }));
  mountGroup(store, "weights", "weights", (value) => choose({ weights: value as Choices["weights"] }));
  const note = byId("settings-note");
  store.subscribe(({ refused }) => {
    note.textContent = `Not used from the address: ${refused.join(", ")}`;
    note.hidden = refused.length === 0;
  });
}

function mountGroup(store: Store, id: string, name: "firstStage" | "candidates" | "device" | "weights", onChange: (value: string) => void): void {
  const group = byId(id);
  group.addEventListener("change", (event) => onChange((event.target as HTMLInputElement).value));
  store.subscribe((state, previous) => {
    if (!changed(state, previous, name)) return;
    const value = String(state[name]);
    // An address may name a number that is none of those on offer.
    if (group.querySelector(`input[value="${value}"]`) === null) group.append(choice(id, value));
    for (const input of group.querySelectorAll("input")) input.checked = input.value === value;
  });
}

function choice(name: string, value: string): HTMLElement {
  return el("label", {}, el("input", { type: "radio", name, value }), el("span", {}, value));
}
