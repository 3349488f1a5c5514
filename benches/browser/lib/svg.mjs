// Line charts as SVG, drawn from nothing but numbers and names of ours.

const PANEL = { width: 380, height: 304, left: 64, right: 20, top: 64, bottom: 44 };
/** Names of lines stand in two columns below the title. */
const NAMES = { columns: 2, width: 150, height: 15, top: 36 };
const COLORS = ["#1d4f7c", "#96640a", "#1a6640", "#97380f"];
/** So many values of x or fewer are written each. */
const FEW = 6;

/** Panels beside each other: `[{ title, xLabel, format, logarithmic, series: [{ name, points: [[x, y]] }] }]`; which axes are logarithmic, as `{ x, y }`. */
export function charts(panels) {
  const [width, height] = [panels.length * PANEL.width, PANEL.height];
  const drawn = panels.map((panel, place) => `<g transform="translate(${place * PANEL.width} 0)">\n${drawPanel(panel).join("\n")}\n</g>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="11">`,
    `<title>${escaped(panels.map(({ title, xLabel }) => `${title} by ${xLabel}`).join("; "))}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

function drawPanel({ title, xLabel, format, logarithmic, series }) {
  const all = series.flatMap(({ points }) => points);
  const x = axis(all.map(([value]) => value), PANEL.left, PANEL.width - PANEL.right, logarithmic.x, FEW);
  const y = axis(all.map(([, value]) => value), PANEL.height - PANEL.bottom, PANEL.top, logarithmic.y);
  return [
    text(PANEL.left, 18, title, 'font-weight="600" font-size="13"'),
    ...y.ticks.flatMap((tick) => [grid(y.at(tick)), text(PANEL.left - 6, y.at(tick) + 4, format(tick).replace(/\.0+ /, " "), 'text-anchor="end" fill="#5a564f"')]),
    ...x.ticks.map((tick) => text(x.at(tick), PANEL.height - PANEL.bottom + 16, tick.toLocaleString("en"), 'text-anchor="middle" fill="#5a564f"')),
    text((PANEL.left + PANEL.width - PANEL.right) / 2, PANEL.height - 8, xLabel, 'text-anchor="middle" fill="#5a564f"'),
    ...series.flatMap((each, place) => drawSeries(each, COLORS[place % COLORS.length], x, y, place, series.length > 1)),
  ];
}

function drawSeries({ name, points }, color, x, y, place, isNamed) {
  const places = points.map(([at, value]) => [x.at(at), y.at(value)]);
  const line = `<polyline fill="none" stroke="${color}" stroke-width="2" points="${places.map((pair) => pair.map(rounded).join(",")).join(" ")}"/>`;
  const dots = places.map(([left, top]) => `<circle cx="${rounded(left)}" cy="${rounded(top)}" r="3" fill="${color}"/>`);
  return [line, ...dots, ...(isNamed ? [text(...nameAt(place), name, `fill="${color}"`)] : [])];
}

function nameAt(place) {
  return [PANEL.left + NAMES.width * (place % NAMES.columns), NAMES.top + NAMES.height * Math.floor(place / NAMES.columns)];
}

/** Where each value lies between two places, and the values that are written beside it: those that there are, where they are few. */
function axis(values, from, to, isLogarithmic, few = 0) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const scale = isLogarithmic ? Math.log : (value) => value;
  const there = [...new Set(values)];
  const round = isLogarithmic ? decades(least, most) : steps(most);
  const ticks = there.length <= few ? there : round;
  const [low, high] = [Math.min(least, ticks[0]), Math.max(most, ticks.at(-1))].map(scale);
  return { ticks, at: (value) => from + ((to - from) * (scale(value) - low)) / (high - low || 1) };
}

/** 1, 3, 10, … around the values. */
function decades(least, most) {
  const ticks = [];
  for (let power = 10 ** Math.floor(Math.log10(least)); ticks.length === 0 || ticks.at(-1) < most; power *= 10) ticks.push(power, 3 * power);
  const first = ticks.findLastIndex((tick) => tick <= least);
  const last = ticks.findIndex((tick) => tick >= most);
  return ticks.slice(first, last + 1);
}

/** Round steps from zero, some five of them. */
function steps(most) {
  const rough = (most || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, place) => place * step);
}

function grid(y) {
  return `<line x1="${PANEL.left}" x2="${PANEL.width - PANEL.right}" y1="${rounded(y)}" y2="${rounded(y)}" stroke="#e1ddd4"/>`;
}

function text(x, y, words, style) {
  return `<text x="${rounded(x)}" y="${rounded(y)}" ${style}>${escaped(words)}</text>`;
}

function escaped(words) {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function rounded(value) {
  return Math.round(value * 10) / 10;
}
