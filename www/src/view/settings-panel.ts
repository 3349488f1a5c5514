// What the user may set: how candidates are found and how many are reranked, on which device, and with which weights.
import type { FirstStage } from "../first-stage-words.ts";
import type { Settings } from "../settings.ts";
import type { Device, Weights } from "../state.ts";
import { byId, el } from "./dom.ts";

export interface SettingsActions {
  firstStage(stage: FirstStage): void;
  candidates(count: number): void;
  device(device: Device): void;
  weights(weights: Weights): void;
}

export function mountSettingsPanel(settings: Settings, actions: SettingsActions): void {
  const candidates = byId("candidates");
  const listed = candidates.querySelector(`input[value="${settings.candidates}"]`);
  if (listed === null) candidates.append(choice("candidates", String(settings.candidates)));
  listen(candidates, String(settings.candidates), (value) => actions.candidates(Number(value)));
  listen(byId("first-stage"), settings.firstStage, (value) => actions.firstStage(value as FirstStage));
  listen(byId("device"), settings.device, (value) => actions.device(value as Device));
  listen(byId("weights"), settings.weights, (value) => actions.weights(value as Weights));
  if (settings.refused.length > 0) {
    const note = byId("settings-note");
    note.textContent = `Not used from the address: ${settings.refused.join(", ")}`;
    note.hidden = false;
  }
}

function choice(name: string, value: string): HTMLElement {
  return el("label", {}, el("input", { type: "radio", name, value }), el("span", {}, value));
}

function listen(group: HTMLElement, present: string, onChange: (value: string) => void): void {
  for (const input of group.querySelectorAll("input")) {
    input.checked = input.value === present;
    input.addEventListener("change", () => onChange(input.value));
  }
}
