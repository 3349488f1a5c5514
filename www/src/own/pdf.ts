// PDFs by pdf.js, with what some of them need of it beside its script, which lies on this site.
import { getDocument, GlobalWorkerOptions, type PDFDocumentProxy } from "pdfjs-dist/legacy/build/pdf.mjs";
import type { TextContent } from "pdfjs-dist/types/src/display/api.js";
import workerUrl from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?url";

/** vite.config.ts puts it in. */
declare const PDF_FOLDER: string;

GlobalWorkerOptions.workerSrc = workerUrl;

export interface OpenPdf {
  pdf: PDFDocumentProxy;
  close(): Promise<void>;
}

/** No scripts of the file, no fonts of this machine: letters are drawn, and not set. Takes the buffer. */
export async function openPdf(data: ArrayBuffer): Promise<OpenPdf> {
  const part = (name: string) => new URL(`${PDF_FOLDER}/${name}/`, document.baseURI).href;
  const addresses = { cMapUrl: part("cmaps"), cMapPacked: true, standardFontDataUrl: part("standard_fonts"), wasmUrl: part("wasm") };
  const task = getDocument({ data, ...addresses, isEvalSupported: false, disableFontFace: true, useSystemFonts: false, useWorkerFetch: false, stopAtErrors: false, verbosity: 0 });
  const close = () => task.destroy();
  try {
    return { pdf: await task.promise, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What is wrong with a PDF that could not be opened. */
export function pdfFault(error: unknown): string {
  return (error as Error).name === "PasswordException" ? "is locked by a password" : "is no PDF that can be read";
}

/** The text of a page, from 1, with its line ends. Part by part: pdf.js's own gathering iterates over a stream, which WebKit lacks. */
export async function pageText(pdf: PDFDocumentProxy, number: number): Promise<string> {
  const page = await pdf.getPage(number);
  const reader = (page.streamTextContent() as ReadableStream<TextContent>).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += textOf(part.value);
  return text;
}

function textOf({ items }: TextContent): string {
  return items.map((item) => ("str" in item ? `${item.str}${item.hasEOL ? "\n" : ""}` : "")).join("");
}
