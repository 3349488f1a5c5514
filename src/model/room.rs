//! How much memory do a model's weights take, and how much may they?
//!
//! What stays is counted: matrices in their stored type, though f16 is multiplied as f32, and the largest tensor once more in f32,
//! which is what is worked on while others stay.

use super::bundle::{TensorKind, TensorSpec};
use super::quantize::{Dtype, Q4_BLOCK, Q8_BLOCK};
use crate::error::{Error, Result};

/// Most bytes on 32 bits: a GPU's load holds the weights twice, and there is as much again for all else.
const MOST: Option<u64> = if cfg!(target_pointer_width = "32") { Some(1536 << 20) } else { None };

/// Refuses weights that are more than the memory is taken to hold.
///
/// # Errors
/// [`Error::TooLarge`].
pub(crate) fn check(specs: &[TensorSpec], dtype: Dtype) -> Result<()> {
    check_against(specs, dtype, MOST)
}

fn check_against(specs: &[TensorSpec], dtype: Dtype, most: Option<u64>) -> Result<()> {
    let bytes = bytes(specs, dtype);
    match most {
        Some(limit) if bytes > limit => Err(Error::TooLarge { bytes, dtype: dtype.name(), limit }),
        _ => Ok(()),
    }
}

/// Bytes that these tensors take in a model whose matrices are stored as `dtype`.
fn bytes(specs: &[TensorSpec], dtype: Dtype) -> u64 {
    let stay: u64 = specs.iter().map(|spec| kept(spec, dtype)).sum();
    // A table passes by in blocks.
    let at_once = specs.iter().filter(|spec| spec.kind != TensorKind::Table).map(count).max();
    stay + 4 * at_once.unwrap_or(0)
}

fn count(spec: &TensorSpec) -> u64 {
    spec.shape.iter().map(|&size| size as u64).product()
}

fn kept(spec: &TensorSpec, dtype: Dtype) -> u64 {
    let (count, rows) = (count(spec), spec.shape[0] as u64);
    match (dtype, spec.kind) {
        (Dtype::F32, _) | (_, TensorKind::Plain) | (Dtype::F16, TensorKind::Product) => 4 * count,
        (Dtype::F16, _) | (_, TensorKind::Half) => 2 * count,
        (Dtype::Q8, TensorKind::Product) => count + 4 * count.div_ceil(Q8_BLOCK as u64),
        (Dtype::Q8, TensorKind::Table) => count + 4 * rows,
        (Dtype::Q4, _) => count.div_ceil(2) + 2 * count.div_ceil(Q4_BLOCK as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tensors of jina-colbert-v2's size that are not small.
    fn large() -> Vec<TensorSpec> {
        let spec = |rows, columns, kind| TensorSpec {
            name: "w".to_owned(),
            shape: vec![rows, columns],
            kind,
        };
        let layer = [(3072, 1024), (1024, 1024), (4096, 1024), (1024, 4096)];
        let layers = (0..24).flat_map(|_| layer);
        let products = layers.map(|(rows, columns)| spec(rows, columns, TensorKind::Product));
        let table = spec(250_004, 1024, TensorKind::Table);
        std::iter::once(table).chain(products).collect()
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let limit = 1536 << 20;
        let fits = |dtype| check_against(&large(), dtype, Some(limit));
        assert_eq!(fits(Dtype::Q8), Ok(()));
        assert_eq!(fits(Dtype::Q4), Ok(()));
        let bytes = 4 * (250_004 * 1024 + 24 * 12 * 1024 * 1024) + 4 * 4096 * 1024;
        let error = fits(Dtype::F32).unwrap_err();
        assert_eq!(error, Error::TooLarge { bytes, dtype: "f32", limit });
        let said = error.to_string();
        assert!(said.contains("2248753152 bytes") && said.contains("at most 1610612736"), "{said}");
        assert!(said.contains("tabrank convert"), "{said}");
        assert_eq!(check_against(&large(), Dtype::F32, None), Ok(()));
    }
}
