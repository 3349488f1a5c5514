//! `tabrank pages encode`: pictures of pages in, a file of embeddings out.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use pollster::block_on;
use sha2::{Digest, Sha256};
use tabrank::image::Picture;
use tabrank::{EmbeddingsInfo, EncodedPage, Error, PageOptions, TokenEmbeddings, Unobserved};

use super::arranged::{Arranged, arranged};
use super::keys::{Refused, check_distinct, key};
use super::source::{Source, check_regular, hash, of_page};
use crate::cli::compress::CodecArg;
use crate::cli::encode::{Batch, EmbeddingsFile, Item, Mark, Settings, Sink, Text};
use crate::cli::jsonl::InputArgs;
use crate::cli::pdf::Limits;
use crate::cli::progress::Progress;
use crate::cli::{CliError, ModelArgs};

/// Most bytes of all keys: a list's names stand in its header, which has a mebibyte.
const MAX_KEYS: usize = 900_000;

/// Encode pages as images.
///
/// Reads PDFs, of which each page is drawn, and pictures (PNG, JPEG, WebP, TIFF, GIF, BMP; of several frames the first), one page at a time, and
/// writes a safetensors file as `tabrank encode -o` does: "ids" are the pages' keys, FILE:page_N from 1, "grid" and "page" tell where on the page each
/// patch lies: patches are the first embeddings of a page, row by row, then come those of the overview, and of the prompt. `pages search`,
/// `rerank --embeddings` and the npm package read it.
///
/// A PDF is drawn by a process of its own, which has bounds: 3 GB of memory, and --page-seconds a page. Fonts that a file does not bring are
/// replaced by ones that have their widths.
///
/// What a run that was killed has finished stays beside OUT, in OUT.partial, and --resume goes on with it: the file is then the same, to the byte, as if
/// nothing had happened. A page takes from seconds to minutes.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  tabrank pages encode --model colmodernvbert report.pdf scan.png -o pages.safetensors
  tabrank pages encode --model colmodernvbert reports/*.pdf -o pages.safetensors --resume
  tabrank pages encode --model colmodernvbert --longest-edge 1024 --pool-factor 3 reports/*.pdf -o pages.safetensors")]
pub struct EncodeArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// PDFs and pictures. Their names, as they stand here, are part of the pages' keys.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The file to write: one that is there is replaced when the new one is whole; a pipe or a device is written into; - is stdout.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// How embeddings are stored: f32, f16, int8 (with a scale a token), binary (a bit a number), or the file of a residual codec.
    #[arg(long, value_name = "CODEC", default_value = "int8")]
    codec: CodecArg,
    /// Keep about one of so many of a page's patches: those that are alike become their mean, as in colpali-engine. Where each lies is lost, and so
    /// are heat maps [default: all].
    #[arg(long, value_name = "FACTOR")]
    pool_factor: Option<NonZeroUsize>,
    /// Leave the embeddings of the page's prompt out, as fastembed and sentence-transformers can.
    #[arg(long)]
    only_patches: bool,
    /// Of models that cut pages into tiles: scale a page to so many pixels on its longer side in place of the model's own number. Fewer make fewer tiles
    /// and a page faster, with other embeddings: small print gets lost.
    #[arg(long, value_name = "PIXELS")]
    longest_edge: Option<NonZeroUsize>,
    /// Pixels of the longer side of a PDF's pages as they are drawn. At 2048 what the models do next only shrinks them, but for the stretch to whole tiles.
    #[arg(long, value_name = "PIXELS", default_value_t = 2048, value_parser = clap::value_parser!(u16).range(16..=16_384))]
    pixels: u16,
    /// Most seconds that drawing a page may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    page_seconds: u64,
    /// Go on with what an earlier run has left in OUT.partial, if it has. Model, settings and files have to be the same.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    input: InputArgs,
}

pub fn run(args: &EncodeArgs) -> Result<(), CliError> {
    check_distinct(&args.files)?;
    check_regular(&args.files)?;
    let codec = args.codec.load()?;
    let model = args.model.load_with_pages()?;
    let options = args.options();
    // What is wrong with the options is wrong with every page.
    model.page_layout([1, 1], options)?;
    let info = EmbeddingsInfo {
        embedding_id: Some(model.info().embedding_id.clone()),
        token_pooling: args.pool_factor.map(|factor| format!("patches {factor}")),
    };
    let settings = Settings {
        keeps_ids: true,
        keeps_pages: true,
        ..Settings::of_rows(info, model.info().dimension, codec)?
    };
    let settings = args.said(settings);
    let make = |picture: &Picture| block_on(model.encode_page(picture, options, &mut Unobserved));
    encode(args, &settings, make)
}

/// Encodes all pages by `make`.
fn encode(
    args: &EncodeArgs,
    settings: &Settings,
    make: impl FnMut(&Picture) -> Result<EncodedPage, Error>,
) -> Result<(), CliError> {
    let output = args.model.output(&args.output)?;
    check_not_among(&args.files, output.path())?;
    let (file, mark) = match args.resume {
        true => EmbeddingsFile::resume(output, settings)?,
        false => (EmbeddingsFile::begin(output, settings)?, None),
    };
    let mut run = Run {
        args,
        settings,
        make,
        left: mark.map(|mark| Left { texts: file.spill.held.clone(), mark, passed: 0 }),
        file,
        refused: Refused::new(args.input.on_error),
        progress: Progress::of_stream("encode", None).counting("pages"),
        hash: Sha256::new(),
        next: 0,
        taken: 0,
        keys: 0,
    };
    args.files.iter().try_for_each(|path| run.file(path))?;
    run.finish()
}

/// Pages on their way.
struct Run<'a, F> {
    args: &'a EncodeArgs,
    settings: &'a Settings,
    make: F,
    file: EmbeddingsFile<'a>,
    /// What is passed over, until all of it is.
    left: Option<Left>,
    refused: Refused,
    progress: Progress,
    /// Of all pages that were taken: their places, keys and files.
    hash: Sha256,
    /// Place of the next page among those of all files.
    next: u32,
    taken: u64,
    /// Bytes of the keys.
    keys: usize,
}

/// What an earlier run has left.
struct Left {
    texts: Vec<Text>,
    mark: Mark,
    /// How many were passed over.
    passed: usize,
}

impl<F: FnMut(&Picture) -> Result<EncodedPage, Error>> Run<'_, F> {
    fn file(&mut self, path: &Path) -> Result<(), CliError> {
        let hash = hash(path)?;
        let limits = Limits { pixels: Some(self.args.pixels), seconds: self.args.page_seconds };
        let mut source = match Source::open(path, limits, self.first()) {
            Ok(source) => source,
            Err(error @ CliError::Page { .. }) => return self.refused.take(error),
            Err(error) => return Err(error),
        };
        for page in 0..source.pages() {
            let key = key(path, page);
            let place = self.next;
            self.next = place
                .checked_add(1)
                .ok_or_else(|| of_page(&key, "is beyond the pages that are counted".to_owned()))?;
            if self.passes_over(place)? {
                self.note(place, &key, &hash)?;
                self.check_passed_over()?;
            } else if self.left.is_none() {
                self.page(&mut source, page, (place, key, &hash))?;
            }
        }
        Ok(())
    }

    /// The first page of the next file that is not passed over.
    fn first(&self) -> usize {
        let last = self.left.as_ref().and_then(|left| left.texts.last());
        last.map_or(0, |last| (last.index + 1).saturating_sub(self.next) as usize)
    }

    /// Whether an earlier run has the page at a place.
    fn passes_over(&mut self, place: u32) -> Result<bool, CliError> {
        let Some(left) = &mut self.left else { return Ok(false) };
        let is_there = left.texts.get(left.passed).is_some_and(|text| text.index == place);
        left.passed += usize::from(is_there);
        Ok(is_there)
    }

    /// Whether what was passed over is what the earlier run had, where all of it was.
    fn check_passed_over(&mut self) -> Result<(), CliError> {
        let Some(left) = &self.left else { return Ok(()) };
        if left.passed < left.texts.len() {
            return Ok(());
        }
        self.file.spill.check_passed_over(left.mark == self.mark())?;
        self.left = None;
        Ok(())
    }

    fn mark(&self) -> Mark {
        Mark::of(self.taken, &self.hash)
    }

    /// Takes note of a page that the file has.
    fn note(&mut self, place: u32, key: &str, file: &[u8; 32]) -> Result<(), CliError> {
        // As it stands in JSON.
        self.keys += serde_json::to_string(key).expect("a string serializes").len() + 1;
        if self.keys > MAX_KEYS {
            let reason = "is beyond the pages whose names a list holds: encode some of the files into another";
            return Err(of_page(key, reason.to_owned()));
        }
        self.taken += 1;
        self.hash.update(place.to_le_bytes());
        self.hash.update((key.len() as u64).to_le_bytes());
        self.hash.update(key);
        self.hash.update(file);
        Ok(())
    }

    fn page(
        &mut self,
        source: &mut Source,
        page: usize,
        (place, key, file): (u32, String, &[u8; 32]),
    ) -> Result<(), CliError> {
        let arranged = match self.encoded(source, page, &key) {
            Ok(arranged) => arranged,
            Err(error) => return self.refused.take(error),
        };
        self.note(place, &key, file)?;
        let mut embeddings = TokenEmbeddings::new(self.settings.dimension);
        embeddings.push(&arranged.rows);
        let compressed = self.settings.codec.compress(&embeddings)?;
        let (items, truncated) = ([Item::page(place, key)], [false]);
        let pages = [arranged.fields];
        let batch =
            Batch { items: &items, compressed: &compressed, truncated: &truncated, pages: &pages };
        self.file.spill.take(&batch)?;
        self.progress.advance(self.taken, 0);
        let mark = self.mark();
        self.file.spill.rest(mark)
    }

    fn encoded(
        &mut self,
        source: &mut Source,
        page: usize,
        key: &str,
    ) -> Result<Arranged, CliError> {
        let picture = source.picture(page)?;
        let factor = self.args.pool_factor.map(NonZeroUsize::get);
        let encoded = (self.make)(&picture).and_then(|page| arranged(&page, factor));
        encoded.map_err(|error| of_page(key, error.to_string()))
    }

    fn finish(self) -> Result<(), CliError> {
        if self.left.is_some() {
            self.file.spill.check_passed_over(false)?;
        }
        self.refused.finish(self.taken)?;
        self.file.finish()
    }
}

impl EncodeArgs {
    fn options(&self) -> PageOptions {
        let longest_edge = self.longest_edge.map(NonZeroUsize::get);
        PageOptions { longest_edge, only_patches: self.only_patches }
    }

    /// With all that decides which embeddings come of a page.
    fn said(&self, mut settings: Settings) -> Settings {
        let edge = self.longest_edge.map_or("the model's".to_owned(), |edge| edge.to_string());
        let said = [
            ("pixels", self.pixels.to_string()),
            ("longest edge", edge),
            ("only patches", self.only_patches.to_string()),
        ];
        settings.said.extend(said.map(|(name, value)| (name.to_owned(), value)));
        settings
    }
}

/// # Errors
/// An output that is one of the files.
fn check_not_among(files: &[PathBuf], output: Option<&Path>) -> Result<(), CliError> {
    let Some(output) = output.and_then(|path| path.canonicalize().ok()) else { return Ok(()) };
    let is_input = |path: &&PathBuf| path.canonicalize().is_ok_and(|path| path == output);
    files.iter().find(is_input).map_or(Ok(()), |path| {
        Err(CliError::OutputInUse { path: path.clone(), reason: "is one of the files" })
    })
}
