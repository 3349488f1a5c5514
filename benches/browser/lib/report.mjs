// The tables. Every figure of a peer is followed by ours / theirs in brackets: below 1, ours is the smaller.

const ROWS = [
  ["load, cold", (each) => each.cold.load, time],
  ["load and first result", (each) => each.cold.first, time],
  ["rerank, warm median", (each) => median(each.warm.map((run) => run.time)), time],
  ["  tokenize", (each) => stage(each, "tokenize"), time],
  ["  encode", (each) => stage(each, "encode"), time],
  ["  score", (each) => stage(each, "score"), time],
  ["encode the query, median", (each) => median(each.queries.map((run) => run.time)), time],
  ["transferred", (each) => each.bytes.total, size],
  ["  model", (each) => each.bytes.model, size],
  ["  wasm", (each) => each.bytes.wasm, size],
  ["  scripts", (each) => each.bytes.script, size],
  ["wasm, brotli", (each) => each.wasm?.brotli, size],
  ["peak memory, renderer", (each) => each.peak.renderer, size],
  ["peak memory, GPU process", (each) => each.peak.gpu, size],
];

export function print(report) {
  const lines = headLines(report);
  for (const [group, sample] of Object.entries(report.samples)) {
    const ran = report.contestants.filter((each) => each.group === group && !each.error);
    if (ran.length) lines.push("", sampleLine(group, sample), "", ...table(ran), "", ...agreement(ran, sample));
  }
  lines.push(...failures(report.contestants));
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** One line for everyone that did not run, or computed something else. */
export function failures(contestants) {
  const reasons = contestants.map(({ name, error, agreement }) => ({ name, reason: error ?? agreement?.problem }));
  return reasons.filter(({ reason }) => reason).map(({ name, reason }) => `FAILED: ${name}: ${reason}`);
}

function headLines({ machine, settings, contestants }) {
  const { cpu, cores, memory, system, browser, adapter, loadAverage, blankPage } = machine;
  return [
    `${cpu}, ${cores} cores, ${size(memory)}, ${system}; load average ${loadAverage.toFixed(1)} at the start`,
    `${browser}; WebGPU adapter: ${adapter}; ${machine.crossOriginIsolated ? "" : "not "}cross-origin isolated`,
    `${settings.runs} warm runs; a blank page peaks at ${size(blankPage.renderer)}`,
    ...new Set(contestants.filter((each) => !each.error).map(threads)),
    "In brackets: tabrank / the other; below 1, tabrank takes less.",
  ];
}

function threads({ ours, version, workers, cold: { facts } }) {
  const engine = ours ? `tabrank ${version}` : `transformers.js ${facts.transformers} (onnxruntime-web ${facts.onnxruntime})`;
  const each = ours ? "one thread each" : `${facts.threads} onnxruntime thread(s)`;
  return `${engine}: ${workers} worker(s), ${each}`;
}

function sampleLine(group, { documents, lengths, query, queryLength }) {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const range = `${Math.min(...lengths)} to ${Math.max(...lengths)}`;
  return `${group}: ${documents.length} documents of ${range} tokens (${total} in all), query of ${queryLength}: "${query}"`;
}

function table(ran) {
  const ours = ran.find((each) => each.ours);
  const body = ROWS.map(([label, figure, format]) => [label, ...ran.map((each) => cell(each, ours, figure, format))]);
  return aligned([["", ...ran.map((each) => each.name)], ...body]);
}

function cell(each, ours, figure, format) {
  const value = figure(each);
  if (value === undefined) return "-";
  if (each.ours || !ours || !value) return format(value);
  const own = figure(ours);
  return own === undefined ? format(value) : `${format(value)} (${ratio(own / value)})`;
}

function agreement(ran, { relevant }) {
  const head = ["", "cosine mean", "cosine worst", "top 10 shared", "rank of the answer", "compared with"];
  const body = ran.map(({ name, agreement: { mean, worst, top, with: other }, cold }) => {
    const cosine = (value) => value?.toFixed(6) ?? "-";
    return [name, cosine(mean), cosine(worst), `${top.shared} of ${top.of}`, rank(cold.result.order, relevant), other];
  });
  return aligned([head, ...body]);
}

function rank(order, relevant) {
  return relevant < 0 ? "-" : String(order.indexOf(relevant) + 1);
}

function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const pad = (text, column) => (column ? text.padStart(widths[column]) : text.padEnd(widths[0]));
  return rows.map((row) => row.map(pad).join("  "));
}

/** A stage's share of the run in the middle, so that the stages add up. */
function stage({ warm }, name) {
  const sorted = [...warm].sort((a, b) => a.time - b.time);
  return sorted[Math.floor((sorted.length - 1) / 2)].timings[name];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

function ratio(value) {
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

function time(milliseconds) {
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

function size(bytes) {
  if (bytes === undefined) return "unknown";
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(0)} kB`;
}
