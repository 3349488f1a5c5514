// A PDF's pages as pictures, each drawn when it is wanted, so that no more than one is there at its full size.
import { openPdf, pageText, pdfFault, type OpenPdf } from "../own/pdf.ts";
import type { OwnFile } from "../own/collect.ts";
import { failure } from "../problem.ts";
import { MOST_PAGES } from "./most-pages.ts";

export interface PdfPage {
  /** As people call it. */
  title: string;
  /** Of the picture that a model is given. */
  width: number;
  height: number;
  text: string;
}

export class PdfPages {
  private constructor(
    readonly name: string,
    readonly pages: readonly PdfPage[],
    private readonly open: OpenPdf,
  ) {}

  /** `edge`: of the longer side of the pictures, in pixels. */
  static async open(file: OwnFile, edge: number): Promise<PdfPages> {
    const open = await openPdf(await file.arrayBuffer()).catch((error: unknown) => {
      throw failure("INVALID_INPUT", `${file.name} ${pdfFault(error)}.`);
    });
    const pages: PdfPage[] = [];
    for (let number = 1; number <= Math.min(open.pdf.numPages, MOST_PAGES); number++) {
      const title = `${file.name}, page ${number}`;
      const { width, height } = (await open.pdf.getPage(number)).getViewport({ scale: 1 });
      const scale = edge / Math.max(width, height);
      const side = (length: number) => Math.max(1, Math.round(scale * length));
      pages.push({ title, width: side(width), height: side(height), text: `${title}\n${await pageText(open.pdf, number)}` });
    }
    return new PdfPages(file.name, pages, open);
  }

  /** A page by its place, on white; its longer side has so many pixels. */
  async draw(place: number, edge: number, signal?: AbortSignal): Promise<HTMLCanvasElement> {
    const page = await this.open.pdf.getPage(place + 1);
    const { width, height } = page.getViewport({ scale: 1 });
    const viewport = page.getViewport({ scale: edge / Math.max(width, height) });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.max(1, Math.round(viewport.width)), Math.max(1, Math.round(viewport.height))];
    const task = page.render({ canvas, viewport, background: "#ffffff" });
    const cancel = () => task.cancel();
    signal?.addEventListener("abort", cancel);
    try {
      await task.promise;
    } catch (error) {
      signal?.throwIfAborted();
      throw failure("INVALID_INPUT", `Page ${place + 1} of ${this.name} could not be drawn.`, (error as Error).message);
    } finally {
      signal?.removeEventListener("abort", cancel);
      page.cleanup();
    }
    return canvas;
  }

  close(): Promise<void> {
    return this.open.close();
  }
}

/** A canvas holds its memory until it is swept up, unless it has no size any more. */
export function letGo(canvas: HTMLCanvasElement): void {
  canvas.width = canvas.height = 0;
}
