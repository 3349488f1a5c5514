// A PDF's pages as images: what reading them takes, how far it is, and the pages that a question finds, with their heat maps.
import type { ScoredExplanation } from "tabrank";
import { count, duration, megabytes, megabytesOf, milliseconds } from "../format.ts";
import { aboutPageModel, PAGE_MODEL } from "../known-models.ts";
import type { OwnFile } from "../own/collect.ts";
import type { Answer, Detail, PageHit, PageSearch, PageStages, Step } from "../pages/page-search.ts";
import { type ModelSource, nameOf } from "../model-place.ts";
import { asProblem } from "../problem.ts";
import { changed, type Store } from "../state.ts";
import type { Announce } from "./announcer.ts";
import { button, byId, el, fill, uniqueId } from "./dom.ts";
import { type HeatToken, pageHeat } from "./page-heat.ts";
import { problemNote } from "./problem.ts";

/** Pixels of the longer side. */
const THUMB = 320;
const OPENED = 1_400;

/** What makes a search of pages; with it comes what draws them. */
export type OpenSearch = (changed: () => void) => Promise<PageSearch>;

/** Gives what looks at a PDF. */
export function mountPages(store: Store, source: ModelSource, openSearch: OpenSearch, announce: Announce): (pdf: OwnFile) => void {
  const section = byId("pages");
  let search: Promise<PageSearch> | undefined;
  let shown: PagesView | undefined;
  const look = async (pdf: OwnFile) => {
    section.hidden = false;
    byId("pages-title").focus();
    search ??= openSearch(() => shown?.update());
    shown ??= new PagesView(await search, source, announce, store);
    await (await search).open(pdf);
  };
  store.subscribe((state, previous) => {
    if (changed(state, previous, "model")) shown?.update();
  });
  return (pdf) => void look(pdf);
}

class PagesView {
  readonly #status = byId("pages-status");
  readonly #answer = byId("pages-answer");
  readonly #rows = byId("pages-rows");
  readonly #form = byId<HTMLFormElement>("pages-form");
  readonly #detail = byId<HTMLFieldSetElement>("pages-detail");
  readonly #question = byId<HTMLInputElement>("pages-question");
  #step: Step | undefined;
  #answered: Answer | undefined;
  #bar: ((step: Step, pages: number) => void) | undefined;

  constructor(
    private readonly search: PageSearch,
    private readonly source: ModelSource,
    private readonly announce: Announce,
    private readonly store: Store,
  ) {
    this.#detail.addEventListener("change", () => void search.choose(valueOf(this.#detail) as Detail));
    byId("pages-stages").addEventListener("change", () => this.#ask());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask();
    });
    fill(byId("pages-actions"), button("Close", () => void this.#close(), { id: "pages-close" }), button("Forget what was kept of pages", () => void this.#forget(), { id: "pages-forget" }));
  }

  update(): void {
    const { step, answer, read, pdf } = this.search;
    if (!pdf && step.kind !== "opening" && step.kind !== "failed") return;
    const isBusy = step.kind === "reading" || step.kind === "loading" || step.kind === "measuring";
    byId("pages").dataset["step"] = step.kind;
    this.#detail.disabled = step.kind !== "ready";
    this.#form.hidden = read === 0 || step.kind === "loading";
    this.#showStages();
    if (step !== this.#step) isBusy ? this.#showBusy(step) : this.#showStanding(step);
    if (answer !== this.#answered) this.#showAnswer(answer);
    [this.#step, this.#answered] = [step, answer];
  }

  #ask(): void {
    const question = this.#question.value.trim();
    this.search.stages = valueOf(byId("pages-stages")) as PageStages;
    if (question !== "") void this.search.find(question);
  }

  async #close(): Promise<void> {
    const closed = this.search.close();
    this.#step = this.#answered = undefined;
    fill(this.#status);
    fill(this.#answer);
    this.#rows.replaceChildren();
    this.#form.hidden = true;
    byId("pages").hidden = true;
    byId("own").querySelector("summary")?.focus();
    await closed;
  }

  async #forget(): Promise<void> {
    await this.search.forget().then(() => this.announce("Nothing of pages is kept any more."), (error: unknown) => this.announce(asProblem(error).message));
  }

  /** The model for texts takes part if it is there. */
  #showStages(): void {
    const { model } = this.store.state;
    const both = byId("pages-stages").querySelector<HTMLInputElement>("[value=both]")!;
    both.disabled = model.kind !== "ready";
    byId("pages-stages-note").textContent = model.kind === "ready" ? stagesTold(model.name, model.info.kind === "crossEncoder") : "For the text to take part too, load the model for texts below.";
  }

  /** Built once: a bar that is replaced at each step would lose the focus on “Cancel”. */
  #showBusy(step: Step): void {
    this.#bar ??= mountBar(this.#status, () => void this.search.cancel());
    this.#bar(step, this.search.pdf?.pages.length ?? 0);
  }

  #showStanding(step: Step): void {
    this.#bar = undefined;
    const { search } = this;
    const total = search.pdf?.pages.length ?? 0;
    if (step.kind === "opening") fill(this.#status, "Opening …");
    if (step.kind === "failed") fill(this.#status, problemNote("The pages could not be read.", step.problem, () => void (search.read > 0 ? search.readAll() : search.load())));
    if (step.kind === "unasked") fill(this.#status, ...unasked(step.host, this.source, () => void search.ask()));
    if (step.kind === "unloaded") fill(this.#status, ...unloaded(step, this.source, total, () => void search.load()));
    if (step.kind === "ready") this.#showReady(step, total);
    if (step.kind === "failed") this.announce(`The pages could not be read. ${step.problem.message}`);
  }

  #showReady({ estimate }: Extract<Step, { kind: "ready" }>, total: number): void {
    const { read } = this.search;
    const left = total - read;
    const each = `About ${duration(estimate.milliseconds / estimate.pages)} a page on this device`;
    const told = left === 0 ? `${allRead(total)}.` : read > 0 ? `${read} of ${count(total, "page")} read.` : `${each}${left > 1 ? `, about ${duration(estimate.milliseconds)} for ${left}` : ""}.`;
    const others = left === 1 ? "Read the one that is left" : `Read the ${left} that are left`;
    const label = read === 0 ? `Read ${count(left, "page")}` : `${others} (about ${duration(estimate.milliseconds)})`;
    fill(this.#status, el("p", { id: "pages-told" }, told), ...(left > 0 ? [button(label, () => void this.search.readAll(), { class: "primary", id: "pages-read" })] : []));
    this.announce(told);
    if (left === 0 && this.#status.ownerDocument.activeElement === document.body) this.#question.focus();
  }

  #showAnswer(answer: Answer): void {
    if (answer.kind === "none") fill(this.#answer);
    if (answer.kind === "asked") fill(this.#answer, "Looking …");
    if (answer.kind === "failed") fill(this.#answer, problemNote("The question could not be answered.", answer.problem, () => this.#ask()));
    if (answer.kind !== "found") return this.#rows.replaceChildren();
    const { hits, question } = answer;
    fill(this.#answer, `${count(hits.length, "page")}, in ${milliseconds(answer.milliseconds)}`);
    const rows = hits.map((hit, place) => pageRow(this.search, question, hit, place + 1));
    this.#rows.replaceChildren(...rows.map(({ row }) => row));
    rows[0]?.open();
    void drawInTurn(rows);
    this.announce(hits.length > 0 ? `${count(hits.length, "page")}, first ${hits[0]!.title}.` : "No page was read yet.");
  }
}

function allRead(total: number): string {
  return total === 1 ? "The page is read" : `All ${total} pages are read`;
}

function valueOf(fieldset: HTMLElement): string {
  return fieldset.querySelector<HTMLInputElement>("input:checked")!.value;
}

/** The stages of `page-search.ts` in words. */
function stagesTold(model: string, isCrossEncoder: boolean): string {
  const [first, last] = isCrossEncoder
    ? ["the words that a page’s text shares with the question (BM25) find", `the cross-encoder ${model} reads the texts of those, which puts them in their last order.`]
    : [`one vector of each page’s text, by ${model}, finds`, `${model} puts those in their last order, by MaxSim over the tokens of their texts. With a cross-encoder as the model for texts that is what orders them.`];
  return `With texts: ${first} what may be of interest, the images choose, and ${last}`;
}

function unasked(host: string, source: ModelSource, ask: () => void): HTMLElement[] {
  return [
    el("p", {}, `It takes a model with a vision tower, ${nameOf(source) === PAGE_MODEL.id ? aboutPageModel(host) : `${nameOf(source)} from ${host}`}. That site has not been contacted; asked for what the model weighs, it knows your address and which model you asked for.`),
    button(`Ask ${host}`, ask, { class: "primary", id: "pages-ask-hub" }),
  ];
}

function unloaded({ facts: { size, licence } }: Extract<Step, { kind: "unloaded" }>, source: ModelSource, pages: number, load: () => void): HTMLElement[] {
  const bytes = size === undefined ? "" : ` (${megabytes(size)})`;
  const told = `${count(pages, "page")}. Reading them takes the model ${nameOf(source)}${bytes}, which is fetched once and then kept in this browser${licence === undefined ? "" : `; licence: ${licence}`}. What a page takes is measured then, before any is read.`;
  return [el("p", {}, told), button(`Load the model${bytes}`, load, { class: "primary", id: "pages-load" })];
}

function mountBar(status: HTMLElement, cancel: () => void): (step: Step, pages: number) => void {
  const bar = el("progress", { max: 1, value: 0, "aria-label": "Reading the pages" });
  const text = el("span", { class: "figure" });
  fill(status, bar, text, button("Cancel", cancel, { id: "pages-cancel" }));
  return (step, pages) => {
    const [share, told] = standing(step, pages);
    bar.value = share;
    text.textContent = told;
  };
}

function standing(step: Step, pages: number): [share: number, told: string] {
  if (step.kind === "loading") return [step.progress?.progress ?? 0, `Loading the model, ${Math.floor((step.progress?.progress ?? 0) * 100)} %`];
  if (step.kind !== "measuring" && step.kind !== "reading") return [0, ""];
  const { phase, bytes, tiles } = step.progress ?? { phase: "encode", bytes: { loaded: 0, total: 0 }, tiles: { done: 0, total: 0 } };
  if (phase === "fetch") return [bytes.total > 0 ? bytes.loaded / bytes.total : 0, `Fetching the model’s page side, ${megabytesOf(bytes.loaded, bytes.total)}`];
  if (step.kind === "measuring") return [0, "Measuring what a page takes …"];
  const share = tiles.total > 0 ? tiles.done / tiles.total : 0;
  const page = `Page ${step.page + 1} of ${pages}`;
  return [(step.page + share) / pages, tiles.total > 0 ? `${page}, part ${tiles.done} of ${tiles.total}` : page];
}

interface PageRow {
  row: HTMLLIElement;
  open(): void;
  draw(): Promise<void>;
}

/** Drawing takes its time, and the pages are one document's. */
async function drawInTurn(rows: readonly PageRow[]): Promise<void> {
  for (const { draw } of rows) await draw().catch(() => {});
}

function pageRow(search: PageSearch, question: string, { place, title, score, ranks }: PageHit, rank: number): PageRow {
  const details = el("div", { class: "row-details explanation", id: uniqueId("page-details"), hidden: true });
  const thumb = el("div", { class: "page-thumb" });
  const opener = el("button", { type: "button", "aria-expanded": "false", "aria-controls": details.id }, el("span", { class: "row-title" }, title), el("span", { class: "row-action" }, "where"));
  let isFilled = false;
  const toggle = () => {
    details.hidden = !details.hidden;
    opener.setAttribute("aria-expanded", String(!details.hidden));
    if (isFilled) return;
    isFilled = true;
    void fillDetails(search, question, place, details);
  };
  opener.addEventListener("click", toggle);
  const figures = [el("span", {}, "score ", el("b", {}, score.toFixed(2))), ...(ranks.length > 1 ? [el("span", {}, `ranks ${ranks.join(", ")}`)] : [])];
  const body = el("div", { class: "row-body" }, thumb, el("h3", {}, opener), el("p", { class: "row-figures" }, ...figures), details);
  const row = el("li", { class: "row page-row", "data-page": place + 1 }, el("span", { class: "row-rank" }, String(rank)), body);
  const draw = async () => thumb.replaceChildren(named(await search.pdf!.draw(place, THUMB), title));
  return { row, open: toggle, draw };
}

async function fillDetails(search: PageSearch, question: string, place: number, details: HTMLElement): Promise<void> {
  const page = search.pdf!.pages[place]!;
  fill(details, el("p", { class: "aside" }, "Looking for the places …"));
  try {
    const explanation = await search.explain(question, place);
    const picture = named(await search.pdf!.draw(place, OPENED), page.title);
    fill(details, ...pageHeat(picture, page, tokensOf(question, explanation)));
  } catch (error) {
    fill(details, problemNote("The places could not be shown.", asProblem(error), () => void fillDetails(search, question, place, details)));
  }
}

function named(canvas: HTMLCanvasElement, title: string): HTMLCanvasElement {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", title);
  return canvas;
}

/** Of the question's own words: what the model puts before and behind them is not the reader's concern. */
function tokensOf(question: string, { matches, maps = [] }: ScoredExplanation): HeatToken[] {
  return matches.flatMap((match, place) => {
    const { start, end, token } = match.query;
    return start === null ? [] : [{ token: question.slice(start, end!).trim() || token, match, map: maps[place]! }];
  });
}
