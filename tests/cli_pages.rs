//! `tabrank pages`: PDFs become pictures and words, pictures become a store, and a question finds pages in it.

#![cfg(all(feature = "cli", target_os = "linux"))]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use common::command::{checkpoint, names, tabrank, text};
use common::difference;
use common::pdf::{self, Page, Pdf};
use pollster::block_on;
use serde_json::Value;
use tabrank::image::Picture;
use tabrank::{
    CheckpointFiles, DeviceChoice, DocumentEmbeddings, EmbeddingsFile, LoadOptions, PageOptions,
    RerankOptions, Reranker, Unobserved,
};

const UPRIGHT: [f32; 2] = [612.0, 792.0];

fn model() -> String {
    checkpoint("visual/colmodernvbert")
}

fn in_folder(folder: &Path, arguments: &[&str]) -> Assert {
    tabrank(arguments).current_dir(folder).assert()
}

fn encode(folder: &Path, more: &[&str]) -> Assert {
    let model = model();
    in_folder(folder, &[&["pages", "encode", "--model", &model, "-o", "x"], more].concat())
}

fn said(assert: &Assert) -> String {
    text(&assert.get_output().stderr)
}

fn lines(assert: &Assert) -> Vec<Value> {
    let out = text(&assert.get_output().stdout);
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn report() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("report.pdf"), pdf::report()).unwrap();
    folder
}

/// Forms that draw each other ten times, fifteen deep: no page that ever ends.
fn endless() -> Vec<u8> {
    let calm = pdf::text(&["calm"]);
    let page = |content| Page { size: UPRIGHT, content };
    let mut file = Pdf::new(&[page(&calm), page("/X Do"), page(&calm)]);
    let first = 10;
    file.replace(6, &format!(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 7 0 R /Resources << /XObject << /X {first} 0 R >> >> >>"
    ));
    for depth in 0..15 {
        let next = first + depth + 1;
        let more = format!(
            "/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /X {next} 0 R >> >>"
        );
        file.push_stream(&more, "/X Do ".repeat(10).as_bytes());
    }
    file.push_stream("/Type /XObject /Subtype /Form /BBox [0 0 612 792]", b"0 0 10 10 re f");
    file.bytes()
}

#[test]
fn words_come_page_by_page() {
    let folder = report();
    let found = lines(&in_folder(folder.path(), &["pages", "text", "report.pdf"]).success());
    assert_eq!(found.len(), 3);
    assert_eq!(found[0]["id"], "report.pdf:page_1");
    assert_eq!(found[0]["title"], "report, page 1");
    assert_eq!(found[0]["text"], "The price of oil rose\nin the third quarter.");
    assert_eq!(found[1]["text"], "Quarter Revenue\nFirst 120\nSecond 80");
    assert_eq!(found[2]["text"], "");
}

/// One message of what draws: its JSON, and its pixels.
fn message(from: &mut &[u8]) -> (Value, Vec<u8>) {
    let length = u32::from_le_bytes(from[..4].try_into().unwrap()) as usize;
    let json: Value = serde_json::from_slice(&from[4..4 + length]).unwrap();
    *from = &from[4 + length..];
    let side = |name: &str| json["page"][name].as_u64().unwrap_or(0) as usize;
    let (pixels, rest) = from.split_at(3 * side("width") * side("height"));
    *from = rest;
    (json, pixels.to_vec())
}

/// Where a chart's bars stand, their colours are; the rest is white. The longer side has the pixels that are asked for.
#[test]
fn a_page_is_drawn_as_it_would_be_printed() {
    let folder = report();
    let drawn = in_folder(folder.path(), &["pages", "draw", "--pixels", "396", "report.pdf"]);
    let mut out = &drawn.success().get_output().stdout.clone()[..];
    assert_eq!(message(&mut out).0["opened"]["pages"], 3);
    for expected in [[306, 396], [306, 396], [396, 306]] {
        let (json, pixels) = message(&mut out);
        assert_eq!(json["page"]["width"], expected[0]);
        assert_eq!(json["page"]["height"], expected[1]);
        assert_eq!(pixels[..3], [255, 255, 255]);
        assert!(pixels.iter().any(|&value| value < 128), "something is drawn");
        if expected[0] == 396 {
            let at = |x: usize, y: usize| &pixels[3 * (y * 396 + x)..][..3];
            // Bars stand 120 points above the bottom, at half a pixel a point.
            assert_eq!(at(60, 306 - 70), [0, 51, 255]);
            assert_eq!(at(60 + 120, 306 - 60 - 205), [191, 51, 64]);
            assert_eq!(at(60, 306 - 60 - 55), [255, 255, 255]);
        }
    }
    assert!(out.is_empty());
}

#[test]
fn a_store_has_every_page_with_its_key_grid_and_size() {
    let folder = report();
    encode(folder.path(), &["report.pdf", "--pixels", "256", "--codec", "f32"]).success();
    assert_eq!(names(folder.path()), ["report.pdf", "x"]);
    let file = EmbeddingsFile::read("x", &fs::read(folder.path().join("x")).unwrap(), &[]).unwrap();
    let ids = ["report.pdf:page_1", "report.pdf:page_2", "report.pdf:page_3"];
    assert_eq!(file.ids.unwrap(), ids);
    assert_eq!(file.indices.unwrap(), [0, 1, 2]);
    assert_eq!(file.page.unwrap(), [[198.0, 256.0], [198.0, 256.0], [256.0, 198.0]]);
    let grid = file.grid.unwrap();
    for (grid, &length) in grid.iter().zip(file.embeddings.lengths()) {
        assert!(length >= (grid[0] * grid[1]) as usize && grid[0] > 0);
    }
    assert_eq!(file.truncated, None);
}

/// As the library encodes the picture that is drawn: the patches of the grid first, row by row.
#[test]
fn a_page_has_the_embeddings_of_its_picture() {
    let folder = report();
    let drawn = in_folder(folder.path(), &["pages", "draw", "--pixels", "200", "report.pdf"]);
    let mut out = &drawn.success().get_output().stdout.clone()[..];
    message(&mut out);
    encode(folder.path(), &["report.pdf", "--pixels", "200", "--codec", "f32"]).success();
    let file = EmbeddingsFile::read("x", &fs::read(folder.path().join("x")).unwrap(), &[]).unwrap();
    encode(
        folder.path(),
        &["report.pdf", "--pixels", "200", "--codec", "f32", "--pool-factor", "3"],
    )
    .success();
    let pooled =
        EmbeddingsFile::read("x", &fs::read(folder.path().join("x")).unwrap(), &[]).unwrap();
    assert_eq!(pooled.info.token_pooling.unwrap(), "patches 3");
    assert_eq!(pooled.grid.unwrap(), [[0, 0]; 3]);
    let model = reader();
    for place in 0..3 {
        let (json, pixels) = message(&mut out);
        let side = |name: &str| json["page"][name].as_u64().unwrap() as usize;
        let picture = Picture::from_rgb(side("width"), side("height"), pixels).unwrap();
        let mut nobody = Unobserved;
        let page = model.encode_page(&picture, PageOptions::default(), &mut nobody);
        let page = block_on(page).unwrap();
        let dimension = page.embeddings.dimension();
        let rows: Vec<&[f32]> = page.embeddings.values().chunks_exact(dimension).collect();
        let found = file.embeddings.decompress_document(place);
        let found: Vec<&[f32]> = found.chunks_exact(dimension).collect();
        assert_eq!(found.len(), rows.len());
        let grid = page.places();
        assert_eq!(file.grid.as_ref().unwrap()[place].map(|side| side as usize), page.grid);
        for (row, &of) in grid.iter().enumerate() {
            assert!(difference(found[row], rows[of]) < 1e-5, "patch {row} of page {place}");
        }
        // The rest of the patches, then what is none.
        let overview = (0..rows.len()).filter(|row| page.patches[*row] && !grid.contains(row));
        let others = (0..rows.len()).filter(|row| !page.patches[*row]);
        for (row, of) in (grid.len()..).zip(overview.chain(others)) {
            assert!(difference(found[row], rows[of]) < 1e-5, "row {row} of page {place}");
        }
        let patches = page.patches.iter().filter(|is_patch| **is_patch).count();
        let left = pooled.embeddings.lengths()[place] - (rows.len() - patches);
        assert!((1..=patches / 3).contains(&left), "{left} of {patches}");
    }
}

/// What is encoded is found, with the scores that the library gives.
#[test]
fn a_question_finds_pages() {
    let folder = report();
    encode(folder.path(), &["report.pdf", "--pixels", "200", "--codec", "f32"]).success();
    let file = EmbeddingsFile::read("x", &fs::read(folder.path().join("x")).unwrap(), &[]).unwrap();
    let (model, question) = (model(), "the price of oil");
    let asked = ["pages", "search", "--model", &model, "--store", "x", "--query", question];
    let found = lines(&in_folder(folder.path(), &[&asked[..], &["--matches"]].concat()).success());
    let mut nobody = Unobserved;
    let mut all = DocumentEmbeddings::new(3);
    all.add(file.embeddings, &[0, 1, 2], None).unwrap();
    let options = RerankOptions { embeddings: all, ..RerankOptions::default() };
    let model = reader();
    let ranked = block_on(model.rerank(question, &[""; 3][..], &options, &mut nobody)).unwrap();
    assert_eq!(found.len(), 3);
    for (found, expected) in found.iter().zip(ranked.results) {
        assert_eq!(found["id"], format!("report.pdf:page_{}", expected.index + 1));
        let score = found["score"].as_f64().unwrap() as f32;
        assert!((score - expected.score).abs() < 1e-4 * expected.score.abs().max(1.0));
        assert_eq!(found["matches"].as_array().unwrap().len(), ranked.query_length);
    }
}

fn reader() -> Reranker {
    let files = gathered(&model());
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    block_on(Reranker::load(files, &options, &mut Unobserved)).unwrap()
}

fn gathered(folder: &str) -> CheckpointFiles {
    let mut files = CheckpointFiles::new();
    files.take_pages();
    loop {
        let wanted = files.wanted().unwrap();
        if wanted.is_empty() {
            return files;
        }
        for file in wanted {
            match fs::read(Path::new(folder).join(&file.name)) {
                Ok(bytes) => files.insert(&file.name, bytes).unwrap(),
                Err(_) => files.insert_missing(&file.name).unwrap(),
            }
        }
    }
}

/// A picture is one page, of its own size; what is damaged is named, and skipped where that is asked for.
#[test]
fn pictures_are_pages() {
    let folder = report();
    let pixels: Vec<u8> = (0..40 * 30 * 3).map(|place| (place % 251) as u8).collect();
    let picture = image::RgbImage::from_raw(40, 30, pixels).unwrap();
    let path = folder.path().join("scan.png");
    picture.save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(folder.path().join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let files = ["cut.png", "scan.png", "notes.txt", "report.pdf", "--pixels", "128"];
    let failed = encode(folder.path(), &files).code(65);
    assert!(said(&failed).contains("cut.png:page_1: "), "{}", said(&failed));
    encode(folder.path(), &[&files[..], &["--on-error", "skip"]].concat()).success();
    let file = EmbeddingsFile::read("x", &fs::read(folder.path().join("x")).unwrap(), &[]).unwrap();
    let ids = ["scan.png:page_1", "report.pdf:page_1", "report.pdf:page_2", "report.pdf:page_3"];
    assert_eq!(file.ids.unwrap(), ids);
    assert_eq!(file.page.unwrap()[0], [40.0, 30.0]);
    assert_eq!(file.indices.unwrap(), [1, 3, 4, 5]);
}

#[test]
fn a_model_of_texts_encodes_no_pages() {
    let folder = report();
    let model = checkpoint("pylate");
    let asked = ["pages", "encode", "--model", &model, "-o", "x", "report.pdf"];
    let failed = in_folder(folder.path(), &asked).code(65);
    assert!(said(&failed).contains("reads texts alone"), "{}", said(&failed));
}

/// What is wrong with every page is told once, before the first one is drawn.
#[test]
fn options_that_do_not_go_with_the_model_are_refused_before_any_page() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("endless.pdf"), endless()).unwrap();
    let colpali = checkpoint("visual/colpali");
    for (model, more, expected) in [
        (model(), ["--longest-edge", "97"], "--longest-edge is 97; 1 to 96 pixels"),
        (colpali.clone(), ["--longest-edge", "64"], "--longest-edge does not go with this model"),
        (colpali, ["--query-length", "5"], "--query-length is 5, which leaves no room beside"),
    ] {
        let asked = ["pages", "encode", "--model", &model, "-o", "x", "endless.pdf"];
        let asked = [&asked[..], &["--on-error", "skip"], &more].concat();
        let failed = in_folder(folder.path(), &asked).code(65);
        assert!(said(&failed).contains(expected), "{}", said(&failed));
        assert!(!said(&failed).contains("skipped"), "{}", said(&failed));
        assert_eq!(names(folder.path()), ["endless.pdf"], "nothing is left");
    }
    encode(folder.path(), &["endless.pdf", "--page-seconds", "0"]).code(2);
}

/// Before an hour of work, not behind it; what has no end is not waited for.
#[test]
fn files_that_are_none_are_named_before_any_page_is_drawn() {
    let folder = report();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (file, expected) in [
        ("none.pdf", "cannot read none.pdf: "),
        (".", "cannot read .: is a directory"),
        ("pipe", "cannot read pipe: it is not a regular file"),
        ("/dev/zero", "cannot read /dev/zero: it is not a regular file"),
    ] {
        let failed = encode(folder.path(), &["report.pdf", file]).code(66);
        assert!(said(&failed).contains(expected), "{}", said(&failed));
        assert_eq!(names(folder.path()), ["pipe", "report.pdf"], "nothing is left");
        let failed = in_folder(folder.path(), &["pages", "text", "report.pdf", file]).code(66);
        assert!(said(&failed).contains(expected), "{}", said(&failed));
        assert_eq!(lines(&failed), Vec::<Value>::new());
    }
}

#[test]
fn a_page_that_takes_too_long_is_named_and_the_next_ones_are_encoded() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("endless.pdf"), endless()).unwrap();
    let more = ["endless.pdf", "--pixels", "64", "--page-seconds", "2"];
    let failed = encode(folder.path(), &more).code(65);
    assert!(
        said(&failed).contains("endless.pdf:page_2: drawing it takes more than 2 s"),
        "{}",
        said(&failed)
    );
    let skipped = encode(folder.path(), &[&more[..], &["--on-error", "skip"]].concat()).success();
    assert!(said(&skipped).contains("1 pages or files are skipped"), "{}", said(&skipped));
    let file = EmbeddingsFile::read("x", &fs::read(folder.path().join("x")).unwrap(), &[]).unwrap();
    assert_eq!(file.ids.unwrap(), ["endless.pdf:page_1", "endless.pdf:page_3"]);
    assert_eq!(file.indices.unwrap(), [0, 2]);
}

/// It is killed while the second page is drawn, which never ends: the second run skips that.
#[test]
fn a_killed_run_goes_on_to_the_very_same_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("endless.pdf"), endless()).unwrap();
    fs::write(folder.path().join("report.pdf"), pdf::report()).unwrap();
    let model = model();
    let asked = ["report.pdf", "endless.pdf", "--pixels", "64", "--on-error", "skip"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_tabrank"))
        .args(["pages", "encode", "--model", &model, "-o", "x"])
        .args(asked)
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (begin, state) = (Instant::now(), folder.path().join("x.partial/state.json"));
    while !fs::read_to_string(&state).is_ok_and(|state| state.contains("\"texts\":4")) {
        assert!(begin.elapsed() < Duration::from_secs(60), "it keeps what it has done");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(folder.path()), ["endless.pdf", "report.pdf", "x.partial"]);
    let asked = [&asked[..], &["--page-seconds", "2"]].concat();
    encode(folder.path(), &[&asked[..], &["--resume"]].concat()).success();
    assert_eq!(names(folder.path()), ["endless.pdf", "report.pdf", "x"]);
    let resumed = fs::read(folder.path().join("x")).unwrap();
    encode(folder.path(), &asked).success();
    assert!(fs::read(folder.path().join("x")).unwrap() == resumed);
}

#[test]
fn another_file_or_setting_is_nothing_to_go_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endless.pdf");
    fs::write(&path, endless()).unwrap();
    let asked = ["endless.pdf", "--pixels", "64", "--page-seconds", "1"];
    encode(folder.path(), &asked).code(65);
    let resume = |more: &[&str]| {
        said(&encode(folder.path(), &[&asked[..], &["--resume"], more].concat()).code(65))
    };
    assert!(
        resume(&["--only-patches"])
            .contains("its only patches is false, and that of this run true")
    );
    let mut other = endless();
    other.extend(b"% other");
    fs::write(&path, other).unwrap();
    assert!(resume(&[]).contains("the input is not the one that it was made of"));
}

/// Five gibibytes of a page's content in 34 megabytes.
fn bomb() -> Vec<u8> {
    let packed = zlib(5 << 30);
    let mut file = Pdf::new(&[Page { size: UPRIGHT, content: "" }]);
    file.replace(5, "null");
    file.replace(4, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 6 0 R >>");
    file.push_stream("/Filter /FlateDecode", &packed);
    file.bytes()
}

/// Zeros, so many, as zlib packs them: copies of 258 of those before.
fn zlib(count: u64) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0b011, 3);
    // The zero, by the fixed code of literals.
    bits.push(0b0000_1100, 8);
    for _ in 0..count / 258 {
        // Length 258, then distance 1.
        bits.push(0b1010_0011, 8);
        bits.push(0, 5);
    }
    bits.push(0, 7);
    [&[0x78, 0x9C][..], &bits.finish(), &[0; 4]].concat()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    last: u64,
    count: u32,
}

impl Bits {
    /// The lowest of some bits first.
    fn push(&mut self, bits: u64, count: u32) {
        self.last |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.last as u8);
            self.last >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.push(0, 7);
        self.bytes
    }
}

#[test]
fn hostile_files_end_in_a_named_error() {
    let calm = pdf::text(&["calm"]);
    let of = |size| Pdf::new(&[Page { size, content: &calm }]);
    let whole = pdf::report();
    let mut without_pages = of(UPRIGHT);
    without_pages.replace(2, "<< /Type /Pages /Kids [] /Count 0 >>");
    without_pages.replace(4, "null");
    let secret = format!("<{}>", "41".repeat(32));
    let mut encrypted = of(UPRIGHT);
    encrypted.push(&format!("<< /Filter /Standard /V 1 /R 2 /O {secret} /U {secret} /P -4 >>"));
    let encrypted = encrypted.with_trailer("/Encrypt 6 0 R /ID [<00> <00>]");
    for (name, bytes, expected) in [
        ("empty.pdf", b"%PDF-1.7\n".to_vec(), "empty.pdf: is a damaged PDF"),
        ("cut.pdf", whole[..60].to_vec(), "cut.pdf: is a damaged PDF"),
        ("none.pdf", without_pages.bytes(), "none.pdf: has no pages"),
        ("secret.pdf", encrypted, "secret.pdf: is encrypted with a password; save it without one"),
        (
            "ribbon.pdf",
            of([1e6, 1.0]).bytes(),
            "ribbon.pdf:page_1: has a page of 1000000 x 1 points",
        ),
        ("bomb.pdf", bomb(), "bomb.pdf:page_1: drawing it needs more than 3 GB of memory"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let failed = encode(folder.path(), &[name]).code(65);
        assert!(said(&failed).contains(expected), "{name}: {}", said(&failed));
        assert_eq!(names(folder.path()), [name], "nothing is left");
    }
}

/// What is odd and no more than that is drawn.
#[test]
fn odd_files_are_drawn() {
    let calm = pdf::text(&["calm"]);
    let of = |size| Pdf::new(&[Page { size, content: &calm }]);
    let mut circle = of(UPRIGHT);
    circle.replace(2, "<< /Type /Pages /Kids [2 0 R 4 0 R 2 0 R] /Count 3 >>");
    let mut itself = Pdf::new(&[Page { size: UPRIGHT, content: "/X Do" }]);
    itself.replace(4, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R /Resources << /XObject << /X 6 0 R >> >> >>");
    itself.push_stream("/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources << /XObject << /X 6 0 R >> >>", b"/X Do");
    let deep = format!("{}1{} 0 0 10 10 re f", "[".repeat(100_000), "]".repeat(100_000));
    let saved = format!("{} 0 0 10 10 re f", "q ".repeat(100_000));
    let whole = pdf::report();
    let mut unnumbered = whole.clone();
    unnumbered.truncate(whole.len() - 200);
    for (name, bytes) in [
        ("huge", of([1e9, 1e9]).bytes()),
        ("tiny", of([0.001, 0.001]).bytes()),
        ("circle", circle.bytes()),
        ("itself", itself.bytes()),
        ("deep", Pdf::new(&[Page { size: UPRIGHT, content: &deep }]).bytes()),
        ("saved", Pdf::new(&[Page { size: UPRIGHT, content: &saved }]).bytes()),
        ("without its table", unnumbered),
        ("behind something", [b"\n\n\n".to_vec(), whole].concat()),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("odd.pdf"), bytes).unwrap();
        let encoded = encode(folder.path(), &["odd.pdf", "--pixels", "128"]);
        assert!(encoded.get_output().status.success(), "{name}: {}", said(&encoded));
    }
}
