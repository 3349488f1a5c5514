// Puts the parts together; what each does is in its own file.
import { CollectionIndex } from "./collection-index.ts";
import { loadCorpus } from "./corpus.ts";
import { Model } from "./model.ts";
import { downloadSize } from "./model-place.ts";
import { RequestCounter } from "./network.ts";
import { asProblem } from "./problem.ts";
import { Search } from "./search.ts";
import { readQuestion, readSettings } from "./settings.ts";
import { LAST } from "./stage-order.ts";
import { Store } from "./state.ts";
import { allowOwnWorkers } from "./trusted-types.ts";
import { mountAnnouncer } from "./view/announcer.ts";
import { mountFirstList } from "./view/first-list.ts";
import { mountFirstStage } from "./view/first-stage.ts";
import { mountLinks } from "./view/links.ts";
import { mountModelPanel } from "./view/model-panel.ts";
import { mountNarrow } from "./view/narrow.ts";
import { showRequests } from "./view/network-panel.ts";
import { mountPageImage } from "./view/page-image.ts";
import { mountRerankedList } from "./view/reranked-list.ts";
import { mountSearchForm } from "./view/search-form.ts";
import { mountSettingsPanel } from "./view/settings-panel.ts";
import { mountStageSwitch } from "./view/stage-switch.ts";
import { mountTheme } from "./view/theme.ts";
import { mountTimingPanel } from "./view/timing-panel.ts";

allowOwnWorkers();

const settings = readSettings(new URL(location.href));
const store = new Store({
  device: settings.device,
  weights: settings.weights,
  firstStage: settings.firstStage,
  candidates: settings.candidates,
  online: navigator.onLine,
  modelSize: undefined,
  model: { kind: "idle" },
  paragraphs: undefined,
  examples: [],
  corpusProblem: undefined,
  question: "",
  found: [],
  foundIn: undefined,
  fetched: undefined,
  run: { kind: "none" },
  after: LAST,
  expanded: false,
});
const model = new Model(store, settings, new RequestCounter(showRequests));
const corpus = loadCorpus(settings.data);
const search = new Search(store, model, corpus, new CollectionIndex(new URL("index/", settings.data)));

function mount(): void {
  mountTheme();
  mountNarrow(store);
  mountLinks();
  mountFirstStage(store);
  mountTimingPanel(store);
  mountFirstList(store);
  mountSearchForm(store, (text) => search.ask(text, true), (text) => search.ask(text, false));
  mountModelPanel(store, folderName(settings.model), { load: () => search.again(true), cancel: () => model.cancel() });
  mountRerankedList(store, { again: () => search.again(true), cancel: () => search.cancel() }, mountAnnouncer(store));
  mountStageSwitch(store);
  mountPageImage(new URL("page/", location.href));
  mountSettingsPanel(settings, { firstStage: setFirstStage, candidates: setCandidates, device: setDevice, weights: setWeights });
}

/** The index needs the model for each question, which is not loaded unasked. */
function setFirstStage(firstStage: typeof settings.firstStage): void {
  store.set({ firstStage });
  void search.again(false);
}

function setCandidates(candidates: number): void {
  store.set({ candidates });
  void search.again(false);
}

function setDevice(device: typeof settings.device): void {
  const reload = model.wanted;
  if (reload) model.unload();
  store.set({ device });
  if (reload) void search.again(true);
}

/** Other weights are another download, which is not begun unasked. */
async function setWeights(weights: typeof settings.weights): Promise<void> {
  store.set({ weights });
  const cached = await model.isCached();
  const size = cached ? undefined : await downloadSize(model.place, settings.hasBundles);
  if (store.state.weights !== weights) return;
  model.unload();
  store.set({ modelSize: size });
  await search.again(cached);
}

function folderName(folder: URL): string {
  return decodeURIComponent(folder.pathname.split("/").at(-2) ?? "");
}

async function open(): Promise<void> {
  const cached = await model.isCached();
  // Asked before the model is there, so that it is not one of the requests counted after.
  const size = cached ? undefined : downloadSize(model.place, settings.hasBundles);
  try {
    const { paragraphs, examples } = await corpus;
    store.set({ paragraphs: paragraphs.length, examples });
  } catch (error) {
    store.set({ corpusProblem: asProblem(error) });
  }
  store.set({ modelSize: await size });
  const asked = store.state.question !== "";
  if (!asked) await openingQuestion(cached);
  else if (cached) await search.again(true);
}

/** A question from the fragment, else the first example, so that the page opens with something to read. */
async function openingQuestion(consent: boolean): Promise<void> {
  const question = readQuestion(location.hash) || store.state.examples[0]?.text;
  if (question !== undefined) await search.ask(question, consent);
  else if (consent) await search.again(true);
}

function askFromFragment(): void {
  const question = readQuestion(location.hash);
  if (question !== "") void search.ask(question, false);
}

mount();
addEventListener("online", () => store.set({ online: true }));
addEventListener("offline", () => store.set({ online: false }));
addEventListener("hashchange", askFromFragment);
void open();
