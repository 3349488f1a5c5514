//! How does a checkpoint become a bundle?
//!
//! | step | question | where |
//! | --- | --- | --- |
//! | read | What of the weights is in memory at a time? | `parts` |
//! | calibrate | How large is each input channel of each product, and is all that is computed finite? | `calibrate` |
//! | equalize | Which factor moves between weights and inputs? | [`equalizer`] |
//! | quantize | Which codes and scales come closest to the weights? | `groups`, [`q8`], [`q4`] |
//! | pack | Which bytes go into which file? | [`crate::model::bundle`] |
//!
//! All of it is a function of the checkpoint and the options: no texts are needed, and the same input gives the same
//! bytes on the same kind of machine.

mod calibrate;
mod channels;
mod codes;
mod groups;
mod pages;
mod parts;

use std::cell::RefCell;
use std::ops::Range;

pub use channels::{Exponents, equalizer};
pub use codes::{q4, q8};
pub use parts::{Coming, Fetch};

use crate::error::{Error, Result};
use crate::model::bundle::{
    BundleFiles, BundleWriter, FileEntry, Source, Tensor, TensorKind, TensorSpec, Tensors, store,
};
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::{ModelConfig, layer_of};
use crate::model::embedding_id::Covered;
use crate::model::overrides::Overrides;
use crate::model::quantize::{Dtype, Matrix};
use crate::model::room;
use crate::observer::{Observer, Stage, batch_done};
use calibrate::Calibration;
use channels::Channels;
use groups::{Group, groups};
use pages::PageCalibration;
use parts::{Kind, NothingToFetch, Part, Parts};

/// What to convert into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertOptions {
    /// The type that matrices are stored in.
    pub dtype: Dtype,
    /// What the manifest says of the checkpoint's origin.
    pub source: Source,
    /// Settings in place of the checkpoint's own, for the manifest.
    pub overrides: Overrides,
}

/// Makes a bundle of a complete checkpoint. The observer sees the share that is done and can stop it.
///
/// # Errors
/// [`Error::AlreadyBundle`], [`Error::Aborted`], [`Error::TensorNotFinite`] for weights that the type cannot hold,
/// [`Error::Overflow`] for a model whose embeddings are not finite, and
/// what the checkpoint's files say wrongly.
pub async fn convert(
    files: CheckpointFiles,
    options: &ConvertOptions,
    observer: &mut impl Observer,
) -> Result<BundleFiles> {
    convert_from(files, &NothingToFetch, options, observer).await
}

/// As [`convert`], where `fetch` brings the weights of files whose header alone is there: memory holds the bundle, and of the
/// checkpoint a layer or a block of a table.
///
/// # Errors
/// As [`convert`], and what `fetch` answers.
pub async fn convert_from(
    files: CheckpointFiles,
    fetch: &impl Fetch,
    options: &ConvertOptions,
    observer: &mut impl Observer,
) -> Result<BundleFiles> {
    if let Some(manifest) = files.manifest() {
        return Err(Error::AlreadyBundle { dtype: manifest.dtype.name() });
    }
    observer.stage(Stage::Convert);
    let config = ModelConfig::overridden(&files, &options.overrides)?;
    room::check(&config.wanted_tensors(&files)?, options.dtype)?;
    let groups = groups(&files, &config, options.dtype)?;
    let mut parts = Parts::new(&files, fetch, &groups)?;
    let mut conversion = Conversion::new(&files, &config, &groups, observer).await?;
    while let Some((part, tensors)) = parts.next().await? {
        conversion.add(part, tensors, observer).await?;
    }
    conversion.finish(options, observer).await
}

/// A bundle that is being made.
struct Conversion<'a> {
    config: &'a ModelConfig,
    groups: &'a [Group<'a>],
    calibration: Calibration<'a>,
    /// Of a model whose page side is converted.
    pages: Option<PageCalibration<'a>>,
    /// Name of the file that says how texts become tokens.
    tokenizer: String,
    /// The rows of a table so far.
    table: Option<Matrix>,
    writer: BundleWriter,
    /// The first tensor that its type cannot hold. A model that gives no numbers at all is said first.
    unfit: Option<Error>,
    done: usize,
    total: usize,
}

impl<'a> Conversion<'a> {
    async fn new(
        files: &CheckpointFiles,
        config: &'a ModelConfig,
        groups: &'a [Group<'a>],
        observer: &mut impl Observer,
    ) -> Result<Self> {
        let calibration = Calibration::new(files, config, observer).await?;
        let tokenizer = format!("{}tokenizer.json", files.transformer_path()?);
        let mut writer = BundleWriter::default();
        files.settings_found().for_each(|(name, bytes)| writer.file(name, bytes.to_vec()));
        let total = groups.iter().map(|group| group.specs.len()).sum();
        Ok(Self {
            config,
            groups,
            calibration,
            pages: config.wanted_reader(files)?.map(PageCalibration::new),
            tokenizer,
            table: None,
            writer,
            unfit: None,
            done: 0,
            total,
        })
    }

    async fn add(
        &mut self,
        part: Part,
        tensors: Tensors,
        observer: &mut impl Observer,
    ) -> Result<()> {
        if let Kind::Rows(rows) = &part.kind {
            return self.add_rows(&part, rows.clone(), &tensors, observer).await;
        }
        let (group, tensors) = (&self.groups[part.group], RefCell::new(tensors));
        if group.of_pages && !self.writer.has_pages() {
            self.writer.begin_pages();
        }
        let channels = match part.kind {
            Kind::Layer(layer) => self.channels(layer, group, &tensors, observer).await?,
            Kind::Rows(_) | Kind::Other => Channels::default(),
        };
        let tensors = tensors.into_inner();
        for spec in &group.specs[part.specs] {
            let values = values(&tensors, spec);
            match group.convert(spec, values, &channels, observer).await {
                Err(error @ Error::TensorNotFinite { .. }) => {
                    self.unfit.get_or_insert(error);
                }
                stored => self.write(stored?, observer).await?,
            }
        }
        match (&mut self.pages, part.kind == Kind::Other) {
            (Some(pages), true) if group.of_pages => pages.others(tensors),
            (_, true) => self.calibration.others(tensors),
            (_, false) => {}
        }
        Ok(())
    }

    /// Equalizer and importance of the input channels of a layer.
    async fn channels(
        &mut self,
        layer: usize,
        group: &Group<'_>,
        tensors: &RefCell<Tensors>,
        observer: &mut impl Observer,
    ) -> Result<Channels> {
        let weights = Weights::of_tensors(tensors, "");
        let (products, sizes) = match &mut self.pages {
            Some(pages) if group.of_pages => {
                (pages.products(), pages.layer(layer, &weights, observer).await?)
            }
            _ => {
                let sizes = self.calibration.layer(layer, &weights, observer).await?;
                (self.config.encoder.products(), sizes)
            }
        };
        let products = products.into_iter();
        let products = products.filter(|product| layer_of(&product.names[0]) == Some(layer));
        match group.dtype {
            Dtype::F32 | Dtype::F16 => Ok(Channels::default()),
            Dtype::Q8 | Dtype::Q4 => Channels::of(products, &weights, &sizes, observer).await,
        }
    }

    /// Some rows of a table, which is written once it has all.
    async fn add_rows(
        &mut self,
        part: &Part,
        rows: Range<usize>,
        tensors: &Tensors,
        observer: &mut impl Observer,
    ) -> Result<()> {
        let group = &self.groups[part.group];
        let spec = &group.specs[part.specs.start];
        let values = values(tensors, spec);
        let before = |spec: &&TensorSpec| spec.kind == TensorKind::Table;
        let before = group.specs[..part.specs.start].iter().filter(before);
        let above: usize = before.map(|spec| spec.shape[0]).sum();
        self.calibration.rows(above + rows.start..above + rows.end, values);
        let block = group.matrix(spec, values, &Channels::default(), observer).await?;
        let table = match &mut self.table {
            Some(table) => {
                assert!(table.append(&block), "blocks of a table are stored alike");
                table
            }
            none => {
                let table = none.insert(block);
                table.reserve(spec.shape[0] - rows.end);
                table
            }
        };
        match table.rows == spec.shape[0] {
            true => {
                let table = self.table.take().expect("it was filled above");
                self.write(store(&spec.name, table), observer).await
            }
            false => Ok(()),
        }
    }

    async fn write(
        &mut self,
        stored: Vec<(String, Tensor)>,
        observer: &mut impl Observer,
    ) -> Result<()> {
        stored.into_iter().for_each(|(name, tensor)| self.writer.tensor(&name, tensor));
        self.done += 1;
        batch_done(observer, self.done, self.total).await
    }

    async fn finish(
        self,
        options: &ConvertOptions,
        observer: &mut impl Observer,
    ) -> Result<BundleFiles> {
        self.calibration.finish().await?;
        if let Some(error) = self.unfit {
            return Err(error);
        }
        let ConvertOptions { dtype, source, overrides } = options.clone();
        let (config, tokenizer) = (self.config, self.tokenizer);
        let id = |settings: &[FileEntry], shards: &[FileEntry]| {
            let hash = |entry: &FileEntry| entry.integrity.sha256.clone();
            let tokenizer = settings.iter().find(|entry| entry.name == tokenizer).map(hash);
            let tokenizer = tokenizer.expect("the calibration has read it");
            Covered::new(config, true, tokenizer, shards.iter().map(hash).collect(), dtype).id()
        };
        self.writer.finish(dtype, source, overrides, id, observer).await
    }
}

/// The numbers of a part's tensor.
fn values<'t>(tensors: &'t Tensors, spec: &TensorSpec) -> &'t [f32] {
    tensors.get(&spec.name).and_then(Tensor::as_f32).expect("a part has its tensors, in f32")
}
