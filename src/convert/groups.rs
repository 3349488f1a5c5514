//! Which tensors of which files become which tensors of the bundle, each in which type?

use half::f16;

use super::channels::Channels;
use super::codes::{q4, q8};
use crate::error::{Error, Result};
use crate::model::bundle::{Tensor, TensorKind, TensorSpec, store};
use crate::model::checkpoint::{CheckpointFiles, Place, Weights};
use crate::model::config::{ModelConfig, PageReader};
use crate::model::quantize::{Dtype, Matrix, PRODUCT_CODE, Q8_BLOCK, TABLE_CODE, Values};
use crate::observer::{Observer, pause};

/// Values that are stored between two looks at the caller: milliseconds.
const AT_ONCE: usize = 1 << 16;

/// Tensors that come out of the same files.
pub(super) struct Group<'a> {
    weights: Weights<'a>,
    /// What only the bundle puts before their names.
    path: String,
    pub(super) specs: Vec<TensorSpec>,
    /// The type that their matrices get.
    pub(super) dtype: Dtype,
    /// Whether only pages need them.
    pub(super) of_pages: bool,
}

/// The backbone's tensors, then those of each step of a cross-encoder's head, or each Dense module's and of what weighs tokens; then
/// those that only pages need, if they are wanted.
pub(super) fn groups<'a>(
    files: &'a CheckpointFiles,
    config: &ModelConfig,
    dtype: Dtype,
) -> Result<Vec<Group<'a>>> {
    let backbone = files.backbone_files()?;
    let (prefix, probe) = config.encoder.prefix();
    let mut groups = vec![Group {
        weights: config.backbone_weights(files)?,
        path: String::new(),
        specs: config.encoder.tensors(),
        dtype,
        of_pages: false,
    }];
    let mut add = |group: Group<'a>| {
        // Two modules may share a folder.
        if !groups.iter().any(|other| other.specs.contains(&group.specs[0])) {
            groups.push(group);
        }
    };
    for step in config.head.iter().flat_map(|head| &head.steps) {
        let names = step.file().map_or_else(|| backbone.clone(), |file| vec![file.to_owned()]);
        let weights = Weights::open(files, &names)?;
        let weights = if step.in_backbone() { weights.with_prefix(prefix, probe) } else { weights };
        let path = step.tensor_path().to_owned();
        add(Group { weights, path, specs: step.tensors(), dtype, of_pages: false });
    }
    for dense in config.dense() {
        let path = dense.tensor_path(config.layout).to_owned();
        let weights = config.dense_weights(files, dense)?;
        // A projection is small, and all that it loses ends in the embeddings.
        let dtype = if dtype == Dtype::Q4 { Dtype::Q8 } else { dtype };
        add(Group { weights, path, specs: dense.tensors(config.layout), dtype, of_pages: false });
    }
    if let Some(weighting) = &config.weighting {
        let weights = Weights::open(files, std::slice::from_ref(&weighting.file))?;
        let path = weighting.tensor_path().to_owned();
        add(Group { weights, path, specs: weighting.tensors(), dtype, of_pages: false });
    }
    if let Some(page) = config.wanted_reader(files)? {
        groups.extend(page_groups(files, page, dtype)?);
    }
    Ok(groups)
}

/// The tower, and what stands behind it, which is small as a projection is.
fn page_groups<'a>(
    files: &'a CheckpointFiles,
    page: PageReader<'_>,
    dtype: Dtype,
) -> Result<[Group<'a>; 2]> {
    let group = |weights, specs, dtype| {
        let path = String::new();
        Group { weights, path, specs, dtype, of_pages: true }
    };
    let tower = page.tower_weights(files)?;
    let (name, shape) = page.tower().kernel();
    tower.expect_kernel(&name, &shape)?;
    let behind = if dtype == Dtype::Q4 { Dtype::Q8 } else { dtype };
    Ok([
        group(tower, page.tower().tensors(), dtype),
        group(page.weights_behind(files)?, page.tensors_behind(), behind),
    ])
}

impl Group<'_> {
    /// Where the checkpoint has the tensor.
    pub(super) fn place(&self, spec: &TensorSpec) -> Result<&Place> {
        self.weights.place(&self.name(spec), &spec.shape)
    }

    /// The tensors that `spec` is stored as.
    pub(super) async fn convert(
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
    pub(super) async fn matrix(
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
        old("weight", "gamma")
            .or_else(|| old("bias", "beta"))
            .or_else(|| self.weights.older(name))
            .unwrap_or_else(|| name.to_owned())
    }

    /// Some rows of a tensor in the type that they are stored in.
    fn store_rows(&self, spec: &TensorSpec, values: &[f32], channels: &Channels) -> Matrix {
        let columns = spec.shape[1];
        let product_or_table = spec.kind != TensorKind::Half;
        let (equalizer, importance) = match self.dtype {
            Dtype::Q8 | Dtype::Q4 if product_or_table => channels.get(&spec.name),
            _ => (None, None),
        };
        let (limit, block) = match spec.kind {
            TensorKind::Table => (TABLE_CODE, columns),
            _ => (PRODUCT_CODE, Q8_BLOCK),
        };
        let stored = match self.dtype {
            Dtype::F32 => Values::F32(values.to_vec()),
            Dtype::Q4 if product_or_table => q4(values, columns, equalizer, importance),
            Dtype::Q8 if product_or_table => q8(values, columns, equalizer, limit, block),
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
