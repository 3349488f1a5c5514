// What Tabrank is to reach beside its peers, and whether it does.
import { median } from "./format.mjs";
import { hasByteProduct } from "./machine.mjs";
import { middlePart } from "./pages.mjs";
import { gain } from "./vectors.mjs";

const SHARED_TOP = 9;
/** Times as fast as the fastest other in the browser with the same numbers. */
const MAXSIM_LEADS = { relaxed: { f32: 2.4, int8: 2.4 }, simd128: { f32: 1.8, int8: 2.2 } };
/** Times as fast as the same texts. */
const GAINS = { along: ["100 documents whose int8 embeddings came along", 60], known: ["90 of 100 documents known", 7] };
/** Of two workers, times as fast as the fastest other in a page with and without isolation, and their share of what two copies gain. */
const PAIR_LEADS = [[false, "without isolation", 2.7], [true, "that is isolated", 1.4]];
const PAIR_SHARE = 0.9;
const GPU_PEERS = ["ort-webgpu", "transformers-webgpu"];

/** How many times as fast as another: the median over the rounds, each of which had both run shortly after one another. */
export function speedUp(each, other) {
  if (!each || !other || each.error || other.error) return undefined;
  const rounds = Math.min(each.warm.length, other.warm.length);
  return median(Array.from({ length: rounds }, (_, round) => other.warm[round].time / each.warm[round].time));
}

/** What another shape may lack of BERT's lead in the same run. */
const AS_BERT = 0.9;
const LONG_LEAD = 2;
/** Milliseconds. */
const PAGE_QUERY = 200;
const TYPES = [["tabrank-f32", "ort-fp32"], ["tabrank-q8", "ort-q8"]];

/** Rows of [target, verdict, figure]. */
export function targets({ machine, contestants, maxsim = [], vectors = [], pages = [] }) {
  const find = (id) => [...contestants, ...pages].find((each) => each.id === id && !each.error);
  return [
    atLeast("q8 with relaxed SIMD, times as fast as ort-q8", q8Lead(machine), speedUp(relaxed(find("tabrank-q8")), find("ort-q8"))),
    atLeast("q8 without relaxed SIMD, times as fast as ort-q8", 1.25, speedUp(find("tabrank-q8-simd128"), find("ort-q8"))),
    atLeast("q4, times as fast as ort-q8", 1.9, speedUp(find("tabrank-q4"), find("ort-q8"))),
    atLeast("f32, times as fast as ort-fp32", 1.6, speedUp(find("tabrank-f32"), find("ort-fp32"))),
    pairShare(find),
    ...PAIR_LEADS.map(([isIsolated, page, least]) => pairLead(contestants, find, isIsolated, page, least)),
    topTarget(find("tabrank-q8")),
    ...Object.entries(MAXSIM_LEADS).flatMap(([simd, leads]) => Object.entries(leads).map(([numbers, least]) => maxsimTarget(maxsim, simd, numbers, least))),
    ...Object.entries(GAINS).map(([way, [what, least]]) => {
      const found = vectors.find(({ dtype }) => dtype === "q8");
      return atLeast(`${what}: q8, times as fast as their texts`, least, found && gain(found, way));
    }),
    ...["edge-17m", "modernbert-base"].flatMap((group) => TYPES.map(([own, peer]) => leadTarget(find, group, own, peer))),
    ...TYPES.map(([own, peer]) => longTarget(find, own, peer)),
    ...TYPES.map(([own, peer]) => leadTarget(find, "page", own, peer)),
    pageQueryTarget(find("page:tabrank-q8")),
    ...["tabrank-webgpu", "tabrank-webgpu-f32"].flatMap((id) => GPU_PEERS.flatMap((peer) => gpuTargets(find(id), id, find(peer), peer))),
    ...["tabrank-webgpu", "tabrank-webgpu-f32"].flatMap((kind) => {
      const [own, peer] = [kind, "ort-webgpu"].map((each) => `modernbert-webgpu:${each}`);
      return gpuTargets(find(own), own, find(peer), peer);
    }),
  ];
}

/** More where the processor multiplies bytes in one instruction. */
function q8Lead(machine) {
  return hasByteProduct(machine) ? 2 : 1.75;
}

/** Where the browser has no relaxed SIMD, the figure would be the other target's. */
function relaxed(contestant) {
  return contestant?.cold.facts.simd === "relaxed" ? contestant : undefined;
}

function atLeast(what, least, value) {
  return row(`${what}: at least ${least}`, value === undefined ? undefined : value >= least, value?.toFixed(2));
}

/** Two workers beside two copies that know nothing of one another: both gain what the second core gives. */
function pairShare(find) {
  const [one, pair, copies] = ["tabrank-q8", "tabrank-q8-2-workers", "tabrank-q8-2-copies"].map(find);
  const [gained, possible] = [pair, copies].map((each) => speedUp(each, one));
  const share = speedUp(pair, copies);
  const figure = gained && possible && `${share.toFixed(2)}: ${gained.toFixed(2)} times as fast as one, copies ${possible.toFixed(2)}`;
  return row(`q8 with two workers, share of what two copies gain: at least ${PAIR_SHARE}`, figure && share >= PAIR_SHARE, figure);
}

function pairLead(contestants, find, isIsolated, page, least) {
  const others = contestants.filter((each) => each.group === "cpu" && each.engine !== "tabrank" && !each.error && Boolean(each.isIsolated) === isIsolated);
  const [fastest] = others.sort((a, b) => warmTime(a) - warmTime(b));
  const what = `q8 with two workers, times as fast as the fastest other in a page ${page}${fastest ? ` (${fastest.id})` : ""}`;
  return atLeast(what, least, speedUp(find("tabrank-q8-2-workers"), fastest));
}

function warmTime({ warm }) {
  return median(warm.map(({ time }) => time));
}

function leadTarget(find, group, own, peer) {
  const [bert, other] = ["", `${group}:`].map((prefix) => speedUp(find(prefix + own), find(prefix + peer)));
  const least = bert && AS_BERT * bert;
  const figure = least && other && `${other.toFixed(2)}, BERT ${bert.toFixed(2)}`;
  return row(`${group}: ${own}, as far ahead of ${peer} as BERT within a tenth`, least && other && other >= least, figure);
}

function longTarget(find, own, peer) {
  const [each, other] = [own, peer].map((kind) => find(`edge-17m-long:${kind}`));
  return atLeast(`a document of 2,048 tokens: ${own}, times as fast as ${peer}`, LONG_LEAD, speedUp(each, other));
}

/** Of the model that reads pages. */
function pageQueryTarget(q8) {
  const found = q8 && middlePart(q8, "query");
  return row(`page: a query in q8, at most ${PAGE_QUERY} ms`, found && found <= PAGE_QUERY, found && `${found.toFixed(0)} ms`);
}

function topTarget(q8) {
  const top = q8?.agreement?.with === "tabrank-f32" ? q8.agreement.top : undefined;
  return row(`q8, of f32's first ten: at least ${SHARED_TOP}`, top && top.shared >= SHARED_TOP, top && `${top.shared} of ${top.of}`);
}

/** The fastest other with these numbers in the browser, or, where nobody has them, with f32. */
export function maxsimPeer(maxsim, numbers) {
  const others = maxsim.filter(({ kind }) => kind !== "tabrank" && kind !== "numpy");
  const same = others.filter((each) => each.numbers === numbers);
  const found = same.length ? same : others.filter((each) => each.numbers === "f32");
  return found.sort((a, b) => median(a.times) - median(b.times))[0];
}

function maxsimTarget(maxsim, simd, numbers, least) {
  const onCpu = maxsim.filter(({ device }) => device === "cpu");
  const own = onCpu.find((each) => each.simd === simd && each.numbers === numbers);
  const peer = maxsimPeer(onCpu, numbers);
  return atLeast(`MaxSim alone, ${numbers}, ${simd}, times as fast as ${peer?.id ?? "others"}`, least, speedUp(own, peer));
}

function gpuTargets(own, id, peer, peerId) {
  const both = own && peer;
  const dispatches = both && [own, peer].map((each) => median(each.warm.map((run) => run.gpu?.dispatches ?? NaN)));
  const speed = both && speedUp(own, peer);
  return [
    row(`${id}, fewer dispatches than ${peerId}`, dispatches && dispatches[0] < dispatches[1], dispatches?.join(" / ")),
    row(`${id}, less time than ${peerId}`, speed && speed > 1, speed && `${speed.toFixed(2)} times as fast`),
  ];
}

function row(what, isMet, figure) {
  if (isMet === undefined) return [what, "not measured", "-"];
  return [what, isMet ? "met" : "MISSED", figure];
}
