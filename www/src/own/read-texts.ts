// Which texts does a file or a pasted text hold? JSON lines, a JSON list, CSV with a header, or plain text. What is wrong is told with its line, and no word of the text.
import type { Paragraph } from "../state.ts";
import { passagesOf } from "./passages.ts";

export type TextKind = "json" | "jsonl" | "csv" | "plain";

/** What was read of a file, before it has a place in the collection. */
export type OwnText = Pick<Paragraph, "title" | "text">;

export interface Fault {
  /** The file, and the line where there is one. */
  place: string;
  message: string;
}

export interface ReadTexts {
  texts: OwnText[];
  /** With any, nothing of the file is taken. */
  faults: Fault[];
  /** Of a PDF that can be opened, whether it holds text or not. */
  pages?: number;
}

/** Names of the field or column that holds a text, and a title, in the order in which they are looked for. */
const TEXT_NAMES = ["text", "body", "content", "contents", "passage", "abstract", "description"];
const TITLE_NAMES = ["title", "name", "heading", "subject"];
const NO_TEXT = `has no text: it takes a field ${TEXT_NAMES.slice(0, -1).join(", ")} or ${TEXT_NAMES.at(-1)}`;

export function kindOf(name: string, text: string): TextKind {
  if (/\.json$/i.test(name)) return "json";
  if (/\.(jsonl|ndjson)$/i.test(name)) return "jsonl";
  if (/\.(csv|tsv)$/i.test(name)) return "csv";
  return name === "" ? kindOfPasted(text) : "plain";
}

/** Pasted text has no name: its first line tells. */
function kindOfPasted(text: string): TextKind {
  const [first = ""] = text.trimStart().split(/\r?\n/, 1);
  if (Array.isArray(parseJson(text))) return "json";
  if (first.startsWith("{") && first.trimEnd().endsWith("}")) return "jsonl";
  const cells = first.split(/[,;\t]/).map(fieldName);
  return cells.length > 1 && cells.some((cell) => TEXT_NAMES.includes(cell)) ? "csv" : "plain";
}

export async function readTexts(name: string, text: string): Promise<ReadTexts> {
  const kind = kindOf(name, text);
  const called = calledOf(name);
  if (kind === "json") return readList(called, text);
  if (kind === "jsonl") return readLines(called, text);
  if (kind === "csv") return readTable(called, text);
  return { texts: passagesOf(text).map((passage) => ({ title: `${called}, line ${passage.line}`, text: passage.text })), faults: [] };
}

/** As faults and titles have it; pasted text has no name. */
export function calledOf(name: string): string {
  return name || "the pasted text";
}

/** One value by itself is a list of one; what is no JSON as a whole may be JSON lines under another name. */
function readList(name: string, text: string): ReadTexts {
  const value = parseJson(text);
  if (value === undefined) return readLines(name, text);
  const read: ReadTexts = { texts: [], faults: [] };
  for (const [at, entry] of (Array.isArray(value) ? value : [value]).entries()) addJson(read, `${name}, entry ${at + 1}`, entry);
  return read;
}

function readLines(name: string, text: string): ReadTexts {
  const read: ReadTexts = { texts: [], faults: [] };
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const place = `${name}, line ${at + 1}`;
    const value = parseJson(line);
    if (value === undefined) read.faults.push({ place, message: "is not JSON by itself" });
    else addJson(read, place, value);
  }
  return read;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function addJson(read: ReadTexts, place: string, value: unknown): void {
  const record = typeof value === "string" ? { text: value } : typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  add(read, place, record);
}

async function readTable(name: string, text: string): Promise<ReadTexts> {
  const { default: Papa } = await import("papaparse");
  const read: ReadTexts = { texts: [], faults: [] };
  let header: string[] | undefined;
  let [from, line] = [0, 1];
  Papa.parse<string[]>(text, {
    delimiter: separatorOf(text),
    step: ({ data, errors, meta }) => {
      const place = `${name}, line ${line}`;
      const cells = data.length;
      if (errors.some(({ type }) => type === "Quotes")) read.faults.push({ place, message: "has a quotation mark that is not closed, or stands inside a cell" });
      else if (header === undefined) header = headerOf(read, place, data);
      else if (cells > 1 || data[0]?.trim() !== "") {
        if (cells === header.length) add(read, place, Object.fromEntries(header.map((column, at) => [column, data[at]])));
        else read.faults.push({ place, message: `has ${cells} cells, and the header ${header.length}` });
      }
      line += linesIn(text.slice(from, meta.cursor));
      from = meta.cursor;
    },
  });
  return read;
}

/** The header tells: texts are full of commas, whatever stands between the cells. */
function separatorOf(text: string): string {
  const [header = ""] = text.split(/\r?\n/, 1);
  const count = (separator: string) => header.split(separator).length;
  return [",", ";", "\t"].reduce((most, each) => (count(each) > count(most) ? each : most));
}

function headerOf({ faults }: ReadTexts, place: string, cells: string[]): string[] {
  const header = cells.map(fieldName);
  if (!header.some((column) => TEXT_NAMES.includes(column))) faults.push({ place, message: `is no header that names a column ${TEXT_NAMES.join(", ")}` });
  return header;
}

function linesIn(text: string): number {
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}

function fieldName(text: string): string {
  return text.trim().replace(/^"|"$/g, "").toLowerCase();
}

function add({ texts, faults }: ReadTexts, place: string, record: Record<string, unknown>): void {
  const found = (names: string[]) => names.map((name) => record[name]).find((value): value is string => typeof value === "string" && value.trim() !== "");
  const text = found(TEXT_NAMES);
  if (text === undefined) faults.push({ place, message: NO_TEXT });
  else texts.push({ title: found(TITLE_NAMES) ?? place, text: text.trim() });
}
