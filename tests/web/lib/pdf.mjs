// A PDF as small as they come: a page for each text, in a font that every reader has.

/** Texts of one line, of letters that need no escape. */
export function makePdf(texts) {
  return makeDrawings(texts.map((text) => line(text, 40, 700)));
}

/** A page of text, one with a table and one with a chart: what a text has nothing of. */
export function makeReport() {
  const rules = Array.from({ length: 5 }, (_, row) => `40 ${660 - 40 * row} m 340 ${660 - 40 * row} l S`).join("\n");
  const cells = Array.from({ length: 12 }, (_, cell) => line(`${cell % 3 === 0 ? "year" : ""} ${1970 + 7 * cell}`, 50 + 100 * (cell % 3), 635 - 40 * Math.floor(cell / 3))).join("\n");
  const bars = [80, 190, 120, 260].map((height, bar) => `0.1 0.3 ${0.2 * bar} rg ${60 + 110 * bar} 200 70 ${height} re f`).join("\n");
  return makeDrawings([line("The price of oil rose in October.", 40, 700), `${rules}\n${cells}`, `${bars}\n40 200 m 520 200 l S`]);
}

function line(text, x, y) {
  return `BT /F1 12 Tf ${x} ${y} Td (${text}) Tj ET`;
}

function makeDrawings(drawings) {
  const pages = drawings.map((_, i) => `${4 + 2 * i} 0 R`).join(" ");
  const objects = ["<< /Type /Catalog /Pages 2 0 R >>", `<< /Type /Pages /Kids [${pages}] /Count ${drawings.length} >>`, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"];
  for (const [i, drawing] of drawings.entries()) {
    objects.push(`<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents ${5 + 2 * i} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`, `<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`);
  }
  return fileOf(objects);
}

/** A page of Chinese in a font that the reader is to have, by a table of characters that it is to have too. `text`: of the plane that all fonts have. */
export function makeChinesePdf(text) {
  const codes = [...text].map((letter) => letter.codePointAt(0).toString(16).padStart(4, "0")).join("");
  const drawing = `BT /F1 24 Tf 40 700 Td <${codes}> Tj ET`;
  return fileOf([
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
    "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R /Resources << /Font << /F1 3 0 R >> >> >>",
    `<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`,
    "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> /FontDescriptor 7 0 R >>",
    "<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>",
  ]);
}

function fileOf(objects) {
  let file = "%PDF-1.4\n";
  const starts = objects.map((object, i) => {
    const start = file.length;
    file += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return start;
  });
  const entries = starts.map((start) => `${String(start).padStart(10, "0")} 00000 n \n`).join("");
  const table = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(file + table, "latin1");
}
