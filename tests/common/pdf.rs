//! PDFs, written by hand.

/// A PDF as its objects are put together: the first is the catalog.
pub struct Pdf {
    objects: Vec<Vec<u8>>,
}

/// What a page shows.
pub struct Page<'a> {
    /// Width and height in points.
    pub size: [f32; 2],
    /// Operators of its content.
    pub content: &'a str,
}

impl Pdf {
    /// Of some pages, whose text is set in Helvetica (`/F1`), which no file brings.
    pub fn new(pages: &[Page<'_>]) -> Self {
        let kids: Vec<String> =
            (0..pages.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
        let tree = format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), pages.len());
        let font =
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
        let catalog = "<< /Type /Catalog /Pages 2 0 R >>";
        let mut pdf = Self { objects: [catalog, &tree, font].map(|text| text.into()).into() };
        for (page, Page { size: [width, height], content }) in pages.iter().enumerate() {
            let content_at = 5 + 2 * page;
            pdf.push(&format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents {content_at} 0 R \
                 /Resources << /Font << /F1 3 0 R >> >> >>"
            ));
            pdf.push_stream("", content.as_bytes());
        }
        pdf
    }

    /// Appends an object.
    pub fn push(&mut self, object: &str) {
        self.objects.push(object.into());
    }

    /// Appends a stream, with more in its dictionary.
    pub fn push_stream(&mut self, more: &str, bytes: &[u8]) {
        let head = format!("<< /Length {} {more} >>\nstream\n", bytes.len());
        self.objects.push([head.as_bytes(), bytes, b"\nendstream"].concat());
    }

    /// Puts an object in the place of another, by its number from 1.
    pub fn replace(&mut self, number: usize, object: &str) {
        self.objects[number - 1] = object.into();
    }

    /// The file, with more in its trailer.
    pub fn with_trailer(&self, more: &str) -> Vec<u8> {
        let (mut file, mut places) = (b"%PDF-1.7\n".to_vec(), Vec::new());
        for (object, number) in self.objects.iter().zip(1..) {
            places.push(file.len());
            file.extend(format!("{number} 0 obj\n").bytes());
            file.extend(object);
            file.extend(b"\nendobj\n");
        }
        let (start, count) = (file.len(), places.len() + 1);
        let table: String = places.iter().map(|place| format!("{place:010} 00000 n \n")).collect();
        file.extend(format!("xref\n0 {count}\n0000000000 65535 f \n{table}").bytes());
        file.extend(format!("trailer << /Size {count} /Root 1 0 R {more} >>\n").bytes());
        file.extend(format!("startxref\n{start}\n%%EOF\n").bytes());
        file
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        self.with_trailer("")
    }
}

/// A page with lines of text.
pub fn text(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("({line}) Tj T* ")).collect();
    format!("BT /F1 24 Tf 28 TL 72 720 Td {lines}ET")
}

/// A table of two columns, with its rules.
pub fn table(rows: &[[&str; 2]]) -> String {
    let each = rows.iter().enumerate().map(|(row, [left, right])| {
        let y = 680 - 40 * row;
        format!(
            "BT /F1 18 Tf 80 {y} Td ({left}) Tj ET BT /F1 18 Tf 330 {y} Td ({right}) Tj ET \
             72 {} 468 40 re S ",
            y - 14
        )
    });
    each.collect()
}

/// Bars of these heights, in colours.
pub fn chart(heights: &[usize]) -> String {
    let bar = |(place, height): (usize, &usize)| {
        let (red, blue) =
            (place as f32 / heights.len() as f32, 1.0 - place as f32 / heights.len() as f32);
        format!("{red} 0.2 {blue} rg {} 120 60 {height} re f ", 90 + 80 * place)
    };
    heights.iter().enumerate().map(bar).collect()
}

/// Three pages: text, a table and a chart, the last one lying.
pub fn report() -> Vec<u8> {
    let upright = [612.0, 792.0];
    Pdf::new(&[
        Page { size: upright, content: &text(&["The price of oil rose", "in the third quarter."]) },
        Page {
            size: upright,
            content: &table(&[["Quarter", "Revenue"], ["First", "120"], ["Second", "80"]]),
        },
        Page { size: [792.0, 612.0], content: &chart(&[100, 240, 180, 420]) },
    ])
    .bytes()
}
