//! Does every form of the byte product compute what it is?

use burn::tensor::Device;

use super::{Difference, Random, SHAPES, check_linear, q4, q8};
use crate::ops::forms;

/// Every form of the CPU.
pub(super) async fn check(device: &Device, random: &mut Random) -> Result<Vec<Difference>, String> {
    let before = forms::form();
    let mut found = Vec::new();
    for form in forms::forms() {
        forms::use_form(form);
        for shape in SHAPES {
            for matrix in [q8(shape, random), q4(shape, random)] {
                let difference = check_linear(device, shape[0], &matrix, random).await?;
                let shape = format!("{}, {form}", difference.shape);
                found.push(Difference { shape, ..difference });
            }
        }
    }
    forms::use_form(before);
    Ok(found)
}
