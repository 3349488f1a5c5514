// The text of a PDF, by pdf.js, which is fetched when the first one is dropped.
import { getDocument, GlobalWorkerOptions } from "pdfjs-dist/legacy/build/pdf.mjs";
import workerUrl from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?url";
import { passagesOf } from "./passages.ts";
import type { OwnText, ReadTexts } from "./read-texts.ts";

GlobalWorkerOptions.workerSrc = workerUrl;

export async function readPdf(name: string, data: ArrayBuffer): Promise<ReadTexts> {
  // No scripts of the file, no fonts and tables from elsewhere: the text alone.
  const task = getDocument({ data, isEvalSupported: false, disableFontFace: true, useSystemFonts: false, useWorkerFetch: false, stopAtErrors: false, verbosity: 0 });
  try {
    const pdf = await task.promise;
    const texts: OwnText[] = [];
    for (let number = 1; number <= pdf.numPages; number++) {
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      const text = items.map((item) => ("str" in item ? `${item.str}${item.hasEOL ? "\n" : ""}` : "")).join("");
      texts.push(...passagesOf(text).map((passage) => ({ title: `${name}, page ${number}`, text: passage.text })));
    }
    return texts.length > 0 ? { texts, faults: [] } : refused(name, "holds no text, as scanned pages do");
  } catch (error) {
    return refused(name, (error as Error).name === "PasswordException" ? "is locked by a password" : "is no PDF that can be read");
  } finally {
    await task.destroy();
  }
}

function refused(place: string, message: string): ReadTexts {
  return { texts: [], faults: [{ place, message }] };
}
