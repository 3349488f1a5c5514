// The text of a PDF, page by page.
import { openPdf, pageText, pdfFault } from "./pdf.ts";
import { passagesOf } from "./passages.ts";
import type { OwnText, ReadTexts } from "./read-texts.ts";

export async function readPdf(name: string, data: ArrayBuffer): Promise<ReadTexts> {
  try {
    const { pdf, close } = await openPdf(data);
    try {
      const texts: OwnText[] = [];
      for (let number = 1; number <= pdf.numPages; number++) {
        texts.push(...passagesOf(await pageText(pdf, number)).map((passage) => ({ title: `${name}, page ${number}`, text: passage.text })));
      }
      const read = texts.length > 0 ? { texts, faults: [] } : refused(name, "holds no text, as scanned pages do");
      return { ...read, pages: pdf.numPages };
    } finally {
      await close();
    }
  } catch (error) {
    return refused(name, pdfFault(error));
  }
}

function refused(place: string, message: string): ReadTexts {
  return { texts: [], faults: [{ place, message }] };
}
