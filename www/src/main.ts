// Puts the parts together; what each does is in its own file.
import { askChroma, askPgvector, BackendSearch } from "./backend-search.ts";
import { CollectionIndex } from "./collection-index.ts";
import { loadCorpus } from "./corpus.ts";
import { Model } from "./model.ts";
import { type ModelSource, sameSource } from "./model-place.ts";
import type { PageSearch } from "./pages/page-search.ts";
import { QuestionVector } from "./question-vector.ts";
import { RequestCounter } from "./network.ts";
import { asProblem } from "./problem.ts";
import { Search } from "./search.ts";
import { type Choices, choicesOf, fragmentOf, readQuestion, readSettings } from "./settings.ts";
import { type OwnTexts, Store } from "./state.ts";
import { allowOwnWorkers } from "./trusted-types.ts";
import { mountAnnouncer } from "./view/announcer.ts";
import { mountFirstList } from "./view/first-list.ts";
import { mountFirstStage } from "./view/first-stage.ts";
import { mountLinks } from "./view/links.ts";
import { mountModelChooser } from "./view/model-chooser.ts";
import { mountModelPanel } from "./view/model-panel.ts";
import { mountNarrow } from "./view/narrow.ts";
import { showRequests } from "./view/network-panel.ts";
import { mountOfflineNotes } from "./view/offline-notes.ts";
import { mountOwnTexts } from "./view/own-texts.ts";
import { mountPageImage } from "./view/page-image.ts";
import { mountPages } from "./view/pages.ts";
import { mountRerankedList } from "./view/reranked-list.ts";
import { mountSearchForm } from "./view/search-form.ts";
import { mountSettingsPanel } from "./view/settings-panel.ts";
import { mountSharePanel } from "./view/share-panel.ts";
import { mountSkipLink } from "./view/skip-link.ts";
import { mountStageSwitch } from "./view/stage-switch.ts";
import { mountTheme } from "./view/theme.ts";
import { mountTimingPanel } from "./view/timing-panel.ts";
import { VectorSearch } from "./vector-search.ts";
import { WordSearch } from "./word-search.ts";

allowOwnWorkers();

const settings = readSettings(here());
const store = new Store({
  ...choicesOf(settings),
  refused: settings.refused,
  online: navigator.onLine,
  facts: {},
  model: { kind: "idle" },
  paragraphs: undefined,
  own: undefined,
  examples: [],
  corpusProblem: undefined,
  question: "",
  found: [],
  foundIn: undefined,
  fetched: undefined,
  run: { kind: "none" },
  after: "late",
  expanded: false,
});
const model = new Model(store, new RequestCounter(showRequests));
const corpus = loadCorpus(settings.data);
const vector = new QuestionVector(corpus);
const backend = new URL("backend/", here());
const search = new Search(store, model, corpus, {
  vectors: new VectorSearch(corpus, vector),
  index: new CollectionIndex(new URL("index/", settings.data), corpus),
  words: new WordSearch(async () => store.state.own?.paragraphs ?? (await corpus).paragraphs),
  chroma: new BackendSearch(askChroma, backend, vector),
  pgvector: new BackendSearch(askPgvector, backend, vector),
});

function mount(): void {
  const announce = mountAnnouncer(store);
  mountTheme();
  mountNarrow(store);
  mountLinks();
  mountFirstStage(store);
  mountTimingPanel(store);
  mountFirstList(store);
  mountSearchForm(store, (text) => search.ask(text, store.state.source.kind === "folder"), (text) => search.ask(text, false));
  mountModelPanel(store, { load: () => search.again(true), ask: () => void model.ask(), cancel: () => model.cancel() });
  mountModelChooser(store, settings, chooseModel, announce);
  mountRerankedList(store, { again: () => search.again(true), cancel: () => search.cancel() }, announce);
  mountStageSwitch(store);
  mountPageImage(new URL("page/", location.href));
  mountSettingsPanel(store, choose);
  mountOwnTexts(store, useTexts, mountPages(store, settings.pageModel, searchPages, announce), announce);
  mountSharePanel(store, announce);
  mountSkipLink();
  mountOfflineNotes(announce);
}

function here(): URL {
  return new URL(location.href);
}

/** Takes over what was chosen on the page, and puts it into the fragment, so that a link has it and back leads to what was before. */
function choose(patch: Partial<Choices>): void {
  history.pushState(null, "", fragmentOf({ ...store.state, ...patch }, here()));
  void apply(patch);
}

/** Vectors and index are those of the page's own model. */
function chooseModel(source: ModelSource): void {
  const isOwn = source.kind === "folder" && source.hasBundles;
  choose({ source, firstStage: isOwn ? "vectors" : "words" });
}

/** A model is not loaded unasked, unless it takes no download. */
async function apply(patch: Partial<Choices>): Promise<void> {
  const { source, weights, device } = store.state;
  const wanted = model.wanted;
  store.set({ ...patch, after: "late" });
  const { state } = store;
  if (!sameSource(state.source, source) || state.weights !== weights) return changeModel();
  if (state.device !== device && wanted) {
    model.unload();
    return search.again(true);
  }
  return search.again(false);
}

/** What draws and reads pages is fetched with the first PDF. */
async function searchPages(changed: () => void): Promise<PageSearch> {
  const { PageSearch } = await import("./pages/page-search.ts");
  return new PageSearch(settings.pageModel, () => store.state.weights, () => model.load(), changed);
}

/** Other texts, or with nothing the page's own again. The question before was about others. */
function useTexts(own: OwnTexts | undefined): void {
  search.clear();
  store.set({ own, after: "late" });
  const [example] = store.state.examples;
  if (own === undefined && example !== undefined) void search.ask(example.text, false);
}

async function changeModel(): Promise<void> {
  const { source, weights } = store.state;
  const cached = await model.isCached();
  const facts = cached ? {} : await model.facts();
  if (store.state.source !== source || store.state.weights !== weights) return;
  model.unload();
  store.set({ facts });
  await search.again(cached);
}

async function open(): Promise<void> {
  const cached = await model.isCached();
  // Asked before the model is there, so that it is not one of the requests counted after.
  const facts = cached ? {} : model.facts();
  try {
    const { paragraphs, examples } = await corpus;
    store.set({ paragraphs: paragraphs.length, examples });
  } catch (error) {
    store.set({ corpusProblem: asProblem(error) });
  }
  store.set({ facts: await facts });
  const asked = store.state.question !== "";
  if (!asked) await openingQuestion(cached);
  else if (cached) await search.again(true);
}

/** A question from the fragment, else the first example, so that the page opens with something to read. */
async function openingQuestion(consent: boolean): Promise<void> {
  const question = readQuestion(here()) || store.state.examples[0]?.text;
  if (question !== undefined) await search.ask(question, consent);
  else if (consent) await search.again(true);
}

/** Back, forward, or an address that was changed by hand. */
function follow(): void {
  const next = readSettings(here());
  // What the page was built up from; its texts are not those of another folder.
  if (next.data.href !== settings.data.href || next.hub.href !== settings.hub.href) return location.reload();
  store.set({ refused: next.refused, question: readQuestion(here()) || store.state.question });
  void apply(choicesOf(next));
}

mount();
addEventListener("online", () => store.set({ online: true }));
addEventListener("offline", () => store.set({ online: false }));
addEventListener("hashchange", follow);
void open();
