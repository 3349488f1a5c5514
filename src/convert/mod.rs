//! How does a checkpoint become a bundle?
//!
//! | step | question | where |
//! | --- | --- | --- |
//! | read | What of the weights is in memory at a time? | `parts` |
//! | calibrate | How large is each input channel of each product, and is all that is computed finite? | `calibrate` |
//! | equalize | Which factor moves between weights and inputs? | [`equalizer`] |
//! | quantize | Which codes and scales come closest to the weights? | [`q8`], [`q4`] |
//! | pack | Which bytes go into which file? | [`crate::model::bundle`] |
//!
//! All of it is a function of the checkpoint and the options: no texts are needed, and the same input gives the same
//! bytes on the same kind of machine.

mod calibrate;
mod channels;
mod codes;
mod parts;

use std::cell::RefCell;
use std::ops::Range;

use half::f16;

pub use channels::{Exponents, equalizer};
pub use codes::{q4, q8};
pub use parts::{Coming, Fetch};

use crate::error::{Error, Result};
use crate::model::bundle::{
    BundleFiles, BundleWriter, FileEntry, Source, Tensor, TensorKind, TensorSpec, Tensors, store,
};
use crate::model::checkpoint::{CheckpointFiles, Place, Weights};
use crate::model::config::{ModelConfig, layer_of};
use crate::model::embedding_id::Covered;
use crate::model::overrides::Overrides;
use crate::model::quantize::{Dtype, Matrix, PRODUCT_CODE, TABLE_CODE, Values};
use crate::model::room;
use crate::observer::{Observer, Stage, batch_done, pause};
use calibrate::Calibration;
use channels::Channels;
use parts::{Kind, NothingToFetch, Part, Parts};

/// Values that are stored between two looks at the caller: milliseconds.
const AT_ONCE: usize = 1 << 16;

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
    room::check(&config.tensors(), options.dtype)?;
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
        let channels = match part.kind {
            Kind::Layer(layer) => self.channels(layer, group.dtype, &tensors, observer).await?,
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
        if part.kind == Kind::Other {
            self.calibration.others(tensors);
        }
        Ok(())
    }

    /// Equalizer and importance of the input channels of a layer.
    async fn channels(
        &mut self,
        layer: usize,
        dtype: Dtype,
        tensors: &RefCell<Tensors>,
        observer: &mut impl Observer,
    ) -> Result<Channels> {
        let weights = Weights::of_tensors(tensors, "");
        let sizes = self.calibration.layer(layer, &weights, observer).await?;
        let products = self.config.encoder.products().into_iter();
        let products = products.filter(|product| layer_of(&product.names[0]) == Some(layer));
        match dtype {
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
        self.calibration.rows(rows.clone(), values);
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
            Covered::new(config, true, tokenizer, shards.iter().map(hash).collect()).id()
        };
        self.writer.finish(dtype, source, overrides, id, observer).await
    }
}

/// The numbers of a part's tensor.
fn values<'t>(tensors: &'t Tensors, spec: &TensorSpec) -> &'t [f32] {
    tensors.get(&spec.name).and_then(Tensor::as_f32).expect("a part has its tensors, in f32")
}

/// Tensors that come out of the same files.
struct Group<'a> {
    weights: Weights<'a>,
    /// What only the bundle puts before their names.
    path: String,
    specs: Vec<TensorSpec>,
    /// The type that their matrices get.
    dtype: Dtype,
}

/// The backbone's tensors, then those of each step of a cross-encoder's head, or each Dense module's.
fn groups<'a>(
    files: &'a CheckpointFiles,
    config: &ModelConfig,
    dtype: Dtype,
) -> Result<Vec<Group<'a>>> {
    let backbone = files.backbone_files()?;
    let (prefix, probe) = config.encoder.prefix();
    let mut groups = vec![Group {
        weights: Weights::open(files, &backbone)?.with_prefix(prefix, probe),
        path: String::new(),
        specs: config.encoder.tensors(),
        dtype,
    }];
    for step in config.head.iter().flat_map(|head| &head.steps) {
        let specs = step.tensors();
        if groups.iter().any(|group| group.specs.contains(&specs[0])) {
            // Two modules may share a folder.
            continue;
        }
        let names = step.file().map_or_else(|| backbone.clone(), |file| vec![file.to_owned()]);
        let weights = Weights::open(files, &names)?;
        let weights = if step.in_backbone() { weights.with_prefix(prefix, probe) } else { weights };
        let path = step.tensor_path().to_owned();
        groups.push(Group { weights, path, specs, dtype });
    }
    for dense in config.dense() {
        let specs = dense.tensors(config.layout);
        if groups.iter().any(|group| group.specs.contains(&specs[0])) {
            // Two modules may share a folder.
            continue;
        }
        let path = dense.tensor_path(config.layout).to_owned();
        let names = if path.is_empty() { &backbone } else { &vec![dense.file.clone()] };
        let weights = Weights::open(files, names)?;
        // A projection is small, and all that it loses ends in the embeddings.
        let dtype = if dtype == Dtype::Q4 { Dtype::Q8 } else { dtype };
        groups.push(Group { weights, path, specs, dtype });
    }
    Ok(groups)
}

impl Group<'_> {
    /// Where the checkpoint has the tensor.
    fn place(&self, spec: &TensorSpec) -> Result<&Place> {
        self.weights.place(&self.name(spec), &spec.shape)
    }

    /// The tensors that `spec` is stored as.
    async fn convert(
        &self,
        spec: &TensorSpec,
        values: &[f32],
        channels: &Channels,
        observer: &mut impl Observer,
    ) -> Result<Vec<(String, Tensor)>> {
        if spec.kind == TensorKind::Plain {
            return Ok(vec![(spec.name.clone(), Tensor::f32(spec.shape.clone(), values.to_vec()))]);
        }
        Ok(store(&spec.name, self.matrix(spec, values, channels, observer).await?))
    }

    /// Rows of a matrix in the type that they are stored in.
    async fn matrix(
        &self,
        spec: &TensorSpec,
        values: &[f32],
        channels: &Channels,
        observer: &mut impl Observer,
    ) -> Result<Matrix> {
        let columns = spec.shape[1];
        let mut parts = Vec::new();
        for rows in values.chunks((AT_ONCE / columns).max(1) * columns) {
            pause(observer).await?;
            parts.push(self.store_rows(spec, rows, channels));
        }
        let matrix = Matrix::stack(&parts).expect("a tensor has rows, all of one type");
        match scales_are_finite(&matrix.values) {
            true => Ok(matrix),
            false => Err(Error::TensorNotFinite { name: spec.name.clone() }),
        }
    }

    /// The checkpoint's own name; old saves call a LayerNorm's tensors gamma and beta.
    fn name(&self, spec: &TensorSpec) -> String {
        let name = spec.name.strip_prefix(&self.path).unwrap_or(&spec.name);
        let old = |new: &str, old: &str| {
            let stem = name.strip_suffix(new).filter(|stem| stem.ends_with("LayerNorm."))?;
            Some(format!("{stem}{old}")).filter(|name| self.weights.contains(name))
        };
        old("weight", "gamma").or_else(|| old("bias", "beta")).unwrap_or_else(|| name.to_owned())
    }

    /// Some rows of a tensor in the type that they are stored in.
    fn store_rows(&self, spec: &TensorSpec, values: &[f32], channels: &Channels) -> Matrix {
        let columns = spec.shape[1];
        let product_or_table = spec.kind != TensorKind::Half;
        let (equalizer, importance) = match self.dtype {
            Dtype::Q8 | Dtype::Q4 if product_or_table => channels.get(&spec.name),
            _ => (None, None),
        };
        let limit = if spec.kind == TensorKind::Table { TABLE_CODE } else { PRODUCT_CODE };
        let stored = match self.dtype {
            Dtype::F32 => Values::F32(values.to_vec()),
            Dtype::Q4 if product_or_table => q4(values, columns, equalizer, importance),
            Dtype::Q8 if product_or_table => q8(values, columns, equalizer, limit),
            Dtype::F16 | Dtype::Q8 | Dtype::Q4 => {
                Values::F16(values.iter().copied().map(f16::from_f32).collect())
            }
        };
        let equalizer = equalizer.map(<[f32]>::to_vec);
        Matrix { rows: values.len() / columns, columns, values: stored, equalizer }
    }
}

/// Half precision ends at 65504.
fn scales_are_finite(values: &Values) -> bool {
    match values {
        Values::F32(_) => true,
        Values::F16(values) | Values::Q4 { scales: values, .. } => {
            values.iter().all(|value| value.is_finite())
        }
        Values::Q8 { scales, .. } => scales.iter().all(|scale| scale.is_finite()),
    }
}
