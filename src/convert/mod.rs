//! How does a checkpoint become a bundle?
//!
//! | step | question | where |
//! | --- | --- | --- |
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

use half::f16;

pub use channels::{Exponents, equalizer};
pub use codes::{q4, q8};

use crate::error::{Error, Result};
use crate::model::bundle::{
    BundleFiles, BundleWriter, FileEntry, Source, Tensor, TensorKind, TensorSpec, store,
};
use crate::model::checkpoint::{CheckpointFiles, Weights};
use crate::model::config::ModelConfig;
use crate::model::embedding_id::Covered;
use crate::model::overrides::Overrides;
use crate::model::quantize::{Dtype, Matrix, PRODUCT_CODE, TABLE_CODE, Values};
use crate::observer::{Observer, Stage, batch_done, pause};
use channels::Channels;

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
    if let Some(manifest) = files.manifest() {
        return Err(Error::AlreadyBundle { dtype: manifest.dtype.name() });
    }
    observer.stage(Stage::Convert);
    let config = ModelConfig::overridden(&files, &options.overrides)?;
    let groups = groups(&files, &config, options.dtype)?;
    let tensors: usize = groups.iter().map(|group| group.specs.len()).sum();
    let total = calibrate::SEQUENCES + tensors;
    let calibration = calibrate::run(&files, &config, total, observer).await?;
    let channels = match options.dtype {
        Dtype::F32 | Dtype::F16 => Channels::default(),
        Dtype::Q8 | Dtype::Q4 => {
            Channels::of(&config.encoder, &groups[0].weights, &calibration, observer).await?
        }
    };
    let mut writer = BundleWriter::default();
    files.settings_found().for_each(|(name, bytes)| writer.file(name, bytes.to_vec()));
    let mut done = calibrate::SEQUENCES;
    for group in &groups {
        for spec in &group.specs {
            let tensors = group.convert(spec, &channels, observer).await?;
            tensors.into_iter().for_each(|(name, tensor)| writer.tensor(&name, tensor));
            done += 1;
            batch_done(observer, done, total).await?;
        }
    }
    let ConvertOptions { dtype, source, overrides } = options.clone();
    let tokenizer = format!("{}tokenizer.json", files.transformer_path()?);
    let id = |settings: &[FileEntry], shards: &[FileEntry]| {
        let hash = |entry: &FileEntry| entry.integrity.sha256.clone();
        let tokenizer = settings.iter().find(|entry| entry.name == tokenizer).map(hash);
        let tokenizer = tokenizer.expect("the calibration has read it");
        Covered::new(&config, true, tokenizer, shards.iter().map(hash).collect()).id()
    };
    writer.finish(dtype, source, overrides, id, observer).await
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

/// The backbone's tensors, then each Dense module's.
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
    /// The tensors that `spec` is stored as.
    async fn convert(
        &self,
        spec: &TensorSpec,
        channels: &Channels,
        observer: &mut impl Observer,
    ) -> Result<Vec<(String, Tensor)>> {
        let values = self.weights.read(&self.name(spec), &spec.shape)?;
        if spec.kind == TensorKind::Plain {
            return Ok(vec![(spec.name.clone(), Tensor::f32(spec.shape.clone(), values))]);
        }
        let columns = spec.shape[1];
        let mut parts = Vec::new();
        for rows in values.chunks((AT_ONCE / columns).max(1) * columns) {
            pause(observer).await?;
            parts.push(self.store_rows(spec, rows, channels));
        }
        drop(values);
        let matrix = Matrix::stack(&parts).expect("a tensor has rows, all of one type");
        match scales_are_finite(&matrix.values) {
            true => Ok(store(&spec.name, matrix)),
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
