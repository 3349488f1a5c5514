// The tables, and what they say of the targets.
import { BASELINE } from "./contestants.mjs";
import { factor, median, size, table, time } from "./format.mjs";
import { machineLines } from "./machine.mjs";
import { SHAPES } from "./maxsim.mjs";
import { partialLines } from "./partial.mjs";
import { middlePart, PAGE } from "./pages.mjs";
import { maxsimPeer, speedUp, targets } from "./targets.mjs";
import { gain, middle, WAYS } from "./vectors.mjs";

const RERANK = [
  ["rerank", (each) => time(warm(each))],
  ["min", (each) => time(Math.min(...each.warm.map((run) => run.time)))],
];

const AGREEMENT = [
  ["cosine mean", ({ agreement }) => agreement?.mean?.toFixed(6) ?? "-"],
  ["worst", ({ agreement }) => agreement?.worst?.toFixed(6) ?? "-"],
  ["top 10", ({ agreement }) => (agreement ? `${agreement.top.shared} of ${agreement.top.of}` : "-")],
];

const COLUMNS = {
  cpu: [
    ...RERANK,
    ["x ort-fp32", (each, all) => factor(speedUp(each, named(all, "ort-fp32")))],
    ["x ort-q8", (each, all) => factor(speedUp(each, named(all, "ort-q8")))],
    ["query", (each) => time(median(each.queries.map((run) => run.time)))],
    ...AGREEMENT,
    ["answer at", (each, all, sample) => rank(each.cold.result.order, sample.relevant)],
  ],
  webgpu: [
    ...RERANK,
    ["x ort-webgpu", (each, all) => factor(speedUp(each, named(all, "ort-webgpu")))],
    ["dispatches", (each) => calls(each, "dispatches")],
    ["submits", (each) => calls(each, "submits")],
    ["read-backs", (each) => calls(each, "readBacks")],
    ["bytes read", (each) => calls(each, "bytesRead")],
    ["query", (each) => time(median(each.queries.map((run) => run.time)))],
    ...AGREEMENT,
  ],
};

/** Where there is a baseline. */
const X_BASELINE = ["x baseline", (each, all) => factor(speedUp(each, named(all, BASELINE)))];

const COLD = [
  ["load", (each) => time(each.cold.load)],
  ["and first result", (each) => time(each.cold.first)],
  ["transferred", (each) => size(each.bytes.total)],
  ["model", (each) => size(each.bytes.model)],
  ["wasm", (each) => size(each.bytes.wasm)],
  ["wasm, brotli", (each) => size(each.wasm?.brotli)],
  ["scripts", (each) => size(each.bytes.script)],
  ["peak of the page", (each) => size(each.peak.renderer)],
  ["peak of the GPU process", (each) => size(each.peak.gpu)],
];

const STEPS = ["tokenize", "encode", "score"].map((name) => [name, (each) => time(middleRun(each).timings[name])]);

const STAGES = ["tokenize", "products", "attention", "norms", "quantize", "score"];

// What docs/explanation/figures.md shows of a group on each device.
const README = {
  cpu: ["rerank", "x ort-fp32", "x ort-q8", "query", "load", "transferred", "wasm, brotli", "peak of the page", "cosine mean", "top 10"],
  webgpu: ["rerank", "x ort-webgpu", "dispatches", "submits", "read-backs", "bytes read", "cosine mean"],
};

/** Everything as text, or as Markdown what docs/explanation/figures.md shows. */
export function print(report, { markdown }) {
  const lines = markdown ? readme(report) : everything(report);
  process.stdout.write(`${lines.join("\n")}\n`);
}

function everything(report) {
  const style = { markdown: false };
  const groups = groupsOf(report).map((group) => groupLines(group, style));
  const verdicts = table([["target", "", "figure"], ...targets(report)], style);
  return [headLines(report), formLines(report, style), ...groups, maxsimLines(report, style), vectorLines(report, style), pageLines(report, style), verdicts, failures(report)]
    .filter((lines) => lines.length)
    .flatMap((lines) => [...lines, ""])
    .slice(0, -1);
}

function readme(report) {
  const style = { markdown: true };
  const groups = groupsOf(report).map(({ name, sample, ran }) => {
    const columns = [...COLUMNS[sample.device], ...COLD].filter(([title]) => README[sample.device].includes(title));
    const order = (title) => README[sample.device].indexOf(title);
    columns.sort(([a], [b]) => order(a) - order(b));
    return [sampleLine(name, sample), "", ...table(rows([[""], ...columns], ran, sample), style), ...stageLines(ran, style), ...partialLines(ran, sample, label, style)];
  });
  return [[headLines(report).join(". ")], ...groups].flatMap((lines) => [...lines, ""]).slice(0, -1);
}

/** Groups that have anyone who ran. */
function groupsOf({ samples, contestants }) {
  const groups = Object.entries(samples).map(([name, sample]) => {
    return { name, sample, ran: contestants.filter((each) => each.group === name && !each.error) };
  });
  return groups.filter(({ ran }) => ran.length);
}

/** One line for everyone that did not run, or computed something else. */
export function failures({ contestants, pages = [] }) {
  const reasons = [...contestants, ...pages].map(({ id, error, agreement }) => ({ id, reason: error ?? agreement?.problem }));
  return reasons.filter(({ reason }) => reason).map(({ id, reason }) => `FAILED: ${id}: ${reason}`);
}

function headLines({ machine, settings, contestants, seconds }) {
  return [
    ...machineLines(machine),
    `${settings.runs} warm runs in turns, ${(seconds / 60).toFixed(1)} minutes in all; a blank page peaks at ${size(machine.blankPage.renderer)}`,
    ...new Set(contestants.filter((each) => !each.error).map(engineLine)),
  ];
}

function engineLine({ engine, device, version, workers, isIsolated, cold: { facts } }) {
  if (engine === "tabrank") return `tabrank ${version}: ${counted(workers, "worker")} of one thread`;
  const inside = engine === "transformers.js" ? ` (onnxruntime-web ${facts.onnxruntime})` : "";
  const place = isIsolated ? ", cross-origin isolated" : "";
  return `${engine} ${version}${inside}: ${counted(facts.threads, "thread")}${place}, batches of ${facts.batch} on ${device}`;
}

function counted(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function groupLines({ name, sample, ran }, style) {
  const grid = (columns) => table(rows(columns, ran, sample), style);
  return [
    sampleLine(name, sample),
    "",
    ...grid([["warm"], ...COLUMNS[sample.device], ...(named(ran, BASELINE) ? [X_BASELINE] : [])]),
    "",
    ...grid([["cold"], ...COLD]),
    "",
    ...grid([["steps of the middle run"], ...STEPS]),
    ...stageLines(ran, style),
    ...partialLines(ran, sample, label, style),
  ];
}

/** Beside those that ran, by whom: where a module has one form alone, that. */
function formLines({ forms = [], contestants }, style) {
  if (!forms.length) return [];
  const isOnly = ({ simd }) => forms.filter((each) => each.simd === simd).length === 1;
  const took = (form, each) => each.engine === "tabrank" && each.cold?.facts.simd === form.simd && each.device === "cpu" && each.dtype !== "f32" && (isOnly(form) || each.form === form.form);
  const rows = forms.map((form) => [form.form, form.simd, form.gops.toFixed(0), contestants.filter((each) => took(form, each)).map(({ id }) => id).join(", ")]);
  return table([["forms of the byte product", "module", "GOP/s", "ran in"], ...rows], style);
}

function maxsimLines({ maxsim }, style) {
  if (!maxsim) return [];
  return Object.entries(SHAPES).flatMap(([device, { queryRows, documents, documentRows, dimension }]) => {
    const own = maxsim.filter((each) => each.device === device);
    const row = (each) => {
      const peer = each.kind === "tabrank" && maxsimPeer(own, each.numbers);
      const lead = peer ? `${factor(speedUp(each, peer))} x ${peer.id}` : "-";
      return [each.id, time(median(each.times)), time(Math.min(...each.times)), lead];
    };
    return [
      `MaxSim alone on ${device}: ${queryRows} vectors against ${documents} documents of ${documentRows}, width ${dimension}`,
      "",
      ...table([["", "median", "min", "times as fast as the fastest other of its numbers"], ...own.map(row)], style),
      "",
    ];
  }).slice(0, -1);
}

function vectorLines({ vectors }, style) {
  if (!vectors) return [];
  const columns = vectors.flatMap(({ dtype, facts }) => [`${dtype}${facts.simd === "relaxed" ? " (relaxed SIMD)" : ""}`, "times as fast"]);
  const body = Object.entries(WAYS).map(([way, { title }]) => [title, ...vectors.flatMap((each) => [time(middle(each, way)), factor(gain(each, way))])]);
  return [`A whole rerank of the documents of cpu, query included; their int8 embeddings take ${size(vectors[0].facts.bytes)}`, "", ...table([["documents", ...columns], ...body], style)];
}

/** What is left of a page's time is the text tower and, of ours, the resizing. */
function pageLines({ pages }, style) {
  if (!pages) return [];
  const row = (each) => {
    const peer = each.kind === "tabrank" && pages.find(({ kind, numbers }) => kind === "ort" && numbers === each.numbers);
    const part = (name) => time(middlePart(each, name));
    return [label({ kind: each.id, cold: each }), time(warm(each)), part("vision"), part("query"), peer ? factor(speedUp(each, peer)) : "-", each.agreement.mean?.toFixed(6) ?? "-"];
  };
  return [PAGE, "", ...table([["", "median", "vision tower", "a query", "times as fast as ort of its numbers", "cosine mean"], ...pages.map(row)], style)];
}

function rows([[corner], ...columns], ran, sample) {
  const head = [corner, ...columns.map(([label]) => label)];
  return [head, ...ran.map((each) => [label(each), ...columns.map(([, figure]) => figure(each, ran, sample))])];
}

function label({ kind, cold: { facts } }) {
  return facts.simd === "relaxed" ? `${kind} (relaxed SIMD)` : kind;
}

function stageLines(ran, style) {
  const profiled = ran.filter((each) => each.profile);
  if (!profiled.length) return [];
  const body = profiled.map((each) => {
    const { stages, total } = each.profile;
    const known = STAGES.map((name) => stages[name] ?? 0);
    const rest = total - known.reduce((sum, value) => sum + value, 0);
    return [label(each), ...[...known, rest, total].map(time)];
  });
  return ["", ...table([["stages of a profiled run", ...STAGES, "rest", "total"], ...body], style)];
}

function sampleLine(group, { model, documents, lengths, query, queryLength }) {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const range = [...new Set([Math.min(...lengths), Math.max(...lengths)])].join(" to ");
  return `${group}, ${model}: ${documents.length} documents of ${range} tokens (${total} in all), query of ${queryLength}: "${query}"`;
}

function named(contestants, kind) {
  return contestants.find((each) => each.kind === kind);
}

function warm(each) {
  return median(each.warm.map((run) => run.time));
}

/** What one rerank asks of the GPU. The runs may differ by chance, e.g. in how often a queue is flushed. */
function calls(each, name) {
  const counts = each.warm.map((run) => run.gpu?.[name]);
  return counts.includes(undefined) ? "-" : median(counts).toLocaleString("en");
}

/** The run in the middle, so that its steps add up. */
function middleRun({ warm: runs }) {
  const sorted = [...runs].sort((a, b) => a.time - b.time);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function rank(order, relevant) {
  return relevant < 0 ? "-" : String(order.indexOf(relevant) + 1);
}
