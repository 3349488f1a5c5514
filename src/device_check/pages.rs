//! Does this GPU see pages as the CPU does? Held against each other where what only pages need goes to the GPU: a strip of a made page
//! through all layers, for a CPU takes seconds for a whole square; then a whole square, whose attention has other shapes, twice on the
//! GPU, which must give the same numbers again.

use super::{AGAIN, F32, QUANTIZED, Tolerance, largest};
use crate::device::read;
use crate::error::{Error, Result};
use crate::late_interaction::page::PageSide;
use crate::model::quantize::Dtype;
use crate::observer::{Observer, Stage};
use crate::ops::normalize;

/// # Errors
/// [`Error::DeviceRejected`] with the first difference, or what the device itself reports; [`Error::Aborted`].
pub(crate) async fn check_pages(
    gpu: &PageSide,
    cpu: &PageSide,
    dtype: Dtype,
    observer: &mut impl Observer,
) -> Result<()> {
    observer.stage(Stage::Check);
    let tolerance = match dtype {
        Dtype::F32 | Dtype::F16 => &F32,
        Dtype::Q8 | Dtype::Q4 => &QUANTIZED,
    };
    let strip = gpu.strip();
    let expected = vectors(cpu, strip, observer).await?;
    for run in ["in run 1", "in run 2"] {
        let found = vectors(gpu, strip, observer).await?;
        compare(&expected, &found, tolerance, &format!("{run}, over {strip} patches"))?;
    }
    let whole = gpu.patches_of_a_tile();
    let first = vectors(gpu, whole, observer).await?;
    let second = vectors(gpu, whole, observer).await?;
    compare(&first, &second, &AGAIN, &format!("over {whole} patches"))
}

/// Unit vectors of the first patches of a made page.
async fn vectors(
    pages: &PageSide,
    patches: usize,
    observer: &mut impl Observer,
) -> Result<Vec<f32>> {
    read(normalize(pages.made_features(patches, observer).await?)).await
}

fn compare(expected: &[f32], found: &[f32], tolerance: &Tolerance, place: &str) -> Result<()> {
    let difference = largest(expected.iter().zip(found).map(|(a, b)| (a - b).abs()));
    match difference <= tolerance.embedding {
        true => Ok(()),
        false => Err(Error::DeviceRejected {
            reason: format!(
                "its vectors of a page differ from {} by {difference:.1e}, {place}",
                tolerance.whose
            ),
        }),
    }
}
