// Figures and tables as text.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

export function time(milliseconds) {
  if (milliseconds === undefined) return "-";
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms`;
}

export function size(bytes) {
  if (bytes === undefined) return "-";
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(0)} kB`;
}

export function factor(value) {
  return value === undefined ? "-" : value.toFixed(2);
}

/** Lines of a table whose first row is its head and whose first column holds names. */
export function table(rows, { markdown }) {
  return markdown ? markdownTable(rows) : aligned(rows);
}

function markdownTable([head, ...body]) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, column) => (column ? "---:" : "---"))), ...body.map(line)];
}

function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const pad = (text, column) => (column ? text.padStart(widths[column]) : text.padEnd(widths[0]));
  return rows.map((row) => row.map(pad).join("  ").trimEnd());
}
