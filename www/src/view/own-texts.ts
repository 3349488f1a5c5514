// Texts of the user's own: pasted, chosen as files, or dropped anywhere on the page. What reads them is fetched when there are some.
import { count } from "../format.ts";
import { MOST_PAGES } from "../pages/most-pages.ts";
import type { Collection, OwnFile } from "../own/collect.ts";
import { changed, type OwnTexts, type Store } from "../state.ts";
import type { Announce } from "./announcer.ts";
import { button, byId, el, fill } from "./dom.ts";

/** Faults that are listed; more of the same kind tell nothing new. */
const LISTED = 8;

/** `use`: these texts from now on, or with nothing the page's own. `look`: at a PDF's pages as images. */
export function mountOwnTexts(store: Store, use: (own: OwnTexts | undefined) => void, look: (pdf: OwnFile) => void, announce: Announce): void {
  const status = byId("own-status");
  const pasted = byId<HTMLTextAreaElement>("own-text");
  const files = byId<HTMLInputElement>("own-files");
  const giveUp = () => {
    use(undefined);
    byId("own").querySelector("summary")?.focus();
  };
  const read = async (found: readonly OwnFile[]) => {
    if (found.length === 0) return;
    byId<HTMLDetailsElement>("own").open = true;
    fill(status, el("p", {}, "Reading …"));
    const { collect } = await import("../own/collect.ts");
    const collection = await collect(found);
    if (collection.parts.length > 0) use(collection);
    fill(status, ...taken(store.state.own, giveUp), ...faultList(collection), ...pageOffers(collection, look));
    announce(told(collection));
    if (collection.faults.length === 0) byId("question").focus();
    else if (collection.parts.length === 0) status.querySelector<HTMLElement>(".look")?.focus();
  };
  byId("own-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void read(pasted.value.trim() === "" ? [] : [new File([pasted.value], "")]);
  });
  files.addEventListener("change", () => {
    void read([...(files.files ?? [])]);
    // The same file again is another choice.
    files.value = "";
  });
  listenToDrops((dropped) => void read(dropped));
  store.subscribe((state, previous) => {
    if (changed(state, previous, "own") && state.own === undefined) fill(status);
  });
}

function taken(own: OwnTexts | undefined, giveUp: () => void): HTMLElement[] {
  if (own === undefined) return [];
  const names = own.parts.map(({ name, count: texts }) => `${name || "pasted"} (${texts})`).join(", ");
  return [el("p", { id: "own-taken" }, `${count(own.paragraphs.length, "text")} in use: ${names}.`), el("p", {}, button("Back to the page’s own text", giveUp, { id: "own-leave" }))];
}

/** What its text does not have: tables, charts, the layout; of a scanned one it has nothing. */
function pageOffers({ pdfs }: Collection, look: (pdf: OwnFile) => void): HTMLElement[] {
  return pdfs.map(({ file, pages }) => {
    const most = pages > MOST_PAGES ? `, of which the first ${MOST_PAGES} are looked at` : "";
    const told = `${file.name} has ${count(pages, "page")}${most}. As images their tables, charts and layout count too; that takes a model of its own, and some time.`;
    return el("p", {}, told, " ", button(pages === 1 ? "Search its page as an image" : "Search its pages as images", () => look(file), { class: "look" }));
  });
}

function faultList({ faults }: Collection): HTMLElement[] {
  if (faults.length === 0) return [];
  const listed = faults.slice(0, LISTED).map(({ place, message }) => el("li", {}, el("strong", {}, place), ` ${message}.`));
  const more = faults.length > LISTED ? [el("li", {}, `And ${faults.length - LISTED} more.`)] : [];
  return [el("div", { class: "problem", id: "own-faults" }, el("p", { class: "problem-title" }, "Nothing is taken of a file in which something is wrong:"), el("ul", { class: "faults" }, ...listed, ...more))];
}

function told({ paragraphs, parts, faults }: Collection): string {
  const used = parts.length > 0 ? `${count(paragraphs.length, "text")} of your own in use.` : "No text was taken.";
  return faults.length > 0 ? `${used} ${count(faults.length, "fault")} found.` : used;
}

function listenToDrops(read: (files: File[]) => void): void {
  const { dataset } = document.documentElement;
  const brings = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    dataset["drop"] = "";
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) delete dataset["drop"];
  });
  addEventListener("drop", (event) => {
    delete dataset["drop"];
    if (!brings(event)) return;
    event.preventDefault();
    read([...(event.dataTransfer?.files ?? [])]);
  });
}
