// A collection of the user's own: of files, or of a text that was pasted. It is held by the page alone, kept nowhere and sent nowhere.
import { count } from "../format.ts";
import { MOST_DOCUMENTS } from "../model.ts";
import type { Paragraph } from "../state.ts";
import { calledOf, type Fault, type OwnText, type ReadTexts, readTexts } from "./read-texts.ts";

export interface Collection {
  paragraphs: Paragraph[];
  /** What was taken, and of what how many texts. */
  parts: { name: string; count: number }[];
  faults: Fault[];
  /** PDFs whose pages can be looked at, whatever is the matter with their text. */
  pdfs: { file: OwnFile; pages: number }[];
}

const MOST_BYTES = 64_000_000;

/** `name`: empty of what was pasted. */
export interface OwnFile {
  name: string;
  size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** All of a file or nothing of it. */
export async function collect(files: readonly OwnFile[]): Promise<Collection> {
  const collection: Collection = { paragraphs: [], parts: [], faults: [], pdfs: [] };
  for (const [at, file] of files.entries()) {
    const { texts, faults, pages = 0 } = await readFile(file);
    if (pages > 0) collection.pdfs.push({ file, pages });
    const room = MOST_DOCUMENTS - collection.paragraphs.length;
    if (faults.length > 0) collection.faults.push(...faults);
    else if (texts.length > room) collection.faults.push({ place: calledOf(file.name), message: `has ${count(texts.length, "text")}, and there is room for ${count(room, "more", "more")}` });
    else if (texts.length === 0) collection.faults.push({ place: calledOf(file.name), message: "holds no text" });
    else {
      collection.parts.push({ name: file.name, count: texts.length });
      collection.paragraphs.push(...texts.map((text, number) => withId(text, at, number)));
    }
  }
  return collection;
}

function withId(text: OwnText, file: number, number: number): Paragraph {
  return { id: `own-${file}-${number}`, ...text };
}

async function readFile(file: OwnFile): Promise<ReadTexts> {
  if (file.size > MOST_BYTES) return refused(file.name, `is larger than ${MOST_BYTES / 1e6} MB`);
  const bytes = await file.arrayBuffer().catch(() => undefined);
  if (bytes === undefined) return refused(file.name, "could not be read");
  if (isPdf(bytes)) {
    const { readPdf } = await import("./read-pdf.ts");
    return readPdf(file.name, bytes);
  }
  const text = decode(bytes);
  return text === undefined ? refused(file.name, "is neither a PDF nor text in UTF-8 or UTF-16") : readTexts(file.name, text);
}

function refused(name: string, message: string): ReadTexts {
  return { texts: [], faults: [{ place: calledOf(name), message }] };
}

function isPdf(bytes: ArrayBuffer): boolean {
  return new TextDecoder("latin1").decode(bytes.slice(0, 1024)).includes("%PDF-");
}

function decode(bytes: ArrayBuffer): string | undefined {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(2, bytes.byteLength));
  const encoding = first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}
