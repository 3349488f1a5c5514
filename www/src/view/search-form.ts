// Where the question is asked: the field, its keys, and the example questions.
import { count, megabytes } from "../format.ts";
import { changed, type Example, type State, type Store } from "../state.ts";
import { button, byId, el } from "./dom.ts";

/** `submit`: a question was typed. `pick`: an example was chosen. */
export function mountSearchForm(store: Store, submit: (text: string) => void, pick: (text: string) => void): void {
  const field = byId<HTMLInputElement>("question");
  const note = byId("question-note");
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    note.textContent = text === "" ? "Type a question first." : "";
    if (text === "") field.focus();
    else submit(text);
  });
  field.addEventListener("input", () => {
    note.textContent = "";
  });
  listenToKeys(field);
  mountExamples(store, field, pick);
  store.subscribe((state, previous) => {
    if (changed(state, previous, "question") && state.question !== "") field.value = state.question;
    if (changed(state, previous, "model", "facts", "source")) showConsent(state);
    if (changed(state, previous, "paragraphs", "own")) byId("corpus-size").textContent = sizeOf(state);
    if (previous !== undefined && changed(state, previous, "own")) field.value = state.question;
  });
}

function sizeOf({ own, paragraphs }: State): string {
  if (own) return `about ${count(own.paragraphs.length, "text")} of your own`;
  return paragraphs === undefined ? "" : `about ${count(paragraphs, "paragraph")}`;
}

/** Asking is consent to a download from this site, so its size stands beside the field. Another site takes consent of its own. */
function showConsent({ model, facts, source }: State): void {
  const note = byId("consent-note");
  const size = facts.size === undefined ? "" : ` (${megabytes(facts.size)})`;
  note.textContent = source.kind === "hub" ? "Load the model to ask a question of your own." : `A question of your own loads the model first${size}.`;
  note.hidden = model.kind === "loading" || model.kind === "ready";
}

function listenToKeys(field: HTMLInputElement): void {
  addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing;
    if (event.key === "/" && plain && !isTyping(event.target)) {
      event.preventDefault();
      field.focus();
      field.select();
    }
    if (event.key === "Escape" && event.target === field) field.value = "";
  });
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("textarea, select, input:not([type=radio])");
}

function mountExamples(store: Store, field: HTMLInputElement, pick: (text: string) => void): void {
  const list = byId("examples");
  const choose = ({ text }: Example) => {
    field.value = text;
    pick(text);
  };
  // Narrow screens show a few at first; style.css says which.
  byId("more-examples").addEventListener("click", () => {
    list.dataset["all"] = "";
    list.querySelector<HTMLElement>("li:nth-child(4) button")?.focus();
  });
  store.subscribe((state, previous) => {
    byId("examples-section").hidden = state.own !== undefined || (state.paragraphs !== undefined && state.examples.length === 0);
    if (changed(state, previous, "examples")) {
      const items = state.examples.map((example) => el("li", {}, button(example.text, () => choose(example))));
      list.replaceChildren(...items);
    }
    if (changed(state, previous, "examples", "question")) {
      for (const [i, item] of list.querySelectorAll("button").entries()) {
        item.ariaPressed = String(state.examples[i]?.text === state.question);
      }
    }
  });
}
