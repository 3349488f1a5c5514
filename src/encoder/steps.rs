//! How much of a long text is computed at a time?
//!
//! A step over all of 8,192 tokens would keep a device busy for seconds, in which nothing can stop it and a worker gives no sign of
//! life, and hold intermediate values of all its rows. Batches of several texts are one step: see [`crate::batching`].

use burn::tensor::{Tensor, s};

use crate::encoder::Watch;
use crate::error::Result;
use crate::observer::{Observer, pause};
use crate::ops::{Attention, Bounds, Gate, Linear, attention, feed_forward};

/// Rows of a step: as many as a batch of several texts has at most.
const STEP_ROWS: usize = 1_024;
/// Products of values that a step of attention makes at most, twice, unless one head makes more: all of 2,000 tokens at a
/// width of 1,024, a head of 64 values over 8,192. Half a second in a browser.
const STEP_PRODUCTS: u64 = 1 << 32;

/// What `each` makes of rows, a row of each. Over a text of many it goes step by step: what lies between a step's input and its
/// result takes memory for a step alone, and the observer can stop the call between two.
///
/// # Errors
/// [`crate::Error::Aborted`].
pub(crate) async fn by_rows(
    x: Tensor<2>,
    observer: &mut impl Observer,
    each: impl Fn(Tensor<2>) -> Tensor<2>,
) -> Result<Tensor<2>> {
    let rows = x.dims()[0];
    if rows <= STEP_ROWS {
        return Ok(each(x));
    }
    let mut parts = Vec::with_capacity(rows.div_ceil(STEP_ROWS));
    for first in (0..rows).step_by(STEP_ROWS) {
        pause(observer).await?;
        parts.push(each(x.clone().narrow(0, first, STEP_ROWS.min(rows - first))));
    }
    Ok(Tensor::cat(parts, 0))
}

/// A feed-forward layer's two products.
pub(crate) struct FeedForward {
    pub(crate) up: Linear,
    /// What goes through between the two.
    pub(crate) gate: Gate,
    pub(crate) down: Linear,
}

impl FeedForward {
    /// [`feed_forward`] of rows, step by step as [`by_rows`] goes, unless the input of the second product, which has a name, is to be
    /// seen: then it is computed whole.
    ///
    /// # Errors
    /// [`crate::Error::Aborted`].
    pub(crate) async fn forward(
        &self,
        x: Tensor<2>,
        down: &str,
        watch: &mut impl Watch,
        observer: &mut impl Observer,
    ) -> Result<Tensor<2>> {
        if watch.wants_inputs() {
            let wide = self.up.forward_then(x, self.gate);
            watch.input(down, &wide);
            return Ok(self.down.forward(wide));
        }
        by_rows(x, observer, |x| feed_forward(x, &self.up, self.gate, &self.down)).await
    }
}

/// [`attention`], over long texts some heads at a time: the observer can stop the call between two steps, and no driver
/// takes one for a hang.
///
/// # Errors
/// [`crate::Error::Aborted`].
pub(crate) async fn attention_by_heads(
    qkv: Tensor<2>,
    bounds: &Bounds,
    how: Attention<'_>,
    observer: &mut impl Observer,
) -> Result<Tensor<2>> {
    let width = qkv.dims()[1] / 3 / how.heads;
    match heads_of_a_step(bounds.longest(), how.window, width) {
        most if most < how.heads => some_heads(qkv, bounds, how, most, observer).await,
        _ => Ok(attention(qkv, bounds, how)),
    }
}

async fn some_heads(
    qkv: Tensor<2>,
    bounds: &Bounds,
    how: Attention<'_>,
    most: usize,
    observer: &mut impl Observer,
) -> Result<Tensor<2>> {
    let hidden = qkv.dims()[1] / 3;
    let width = hidden / how.heads;
    let mut parts = Vec::with_capacity(how.heads.div_ceil(most));
    for first in (0..how.heads).step_by(most) {
        pause(observer).await?;
        let heads = most.min(how.heads - first);
        let columns = [0, 1, 2].map(|part| {
            let start = part * hidden + first * width;
            qkv.clone().slice(s![.., start..start + heads * width])
        });
        let own = Tensor::cat(columns.into(), 1);
        parts.push(attention(own, bounds, Attention { heads, ..how }));
    }
    Ok(Tensor::cat(parts, 1))
}

fn heads_of_a_step(longest: usize, window: Option<usize>, width: usize) -> usize {
    let seen = window.map_or(longest, |window| longest.min(2 * window + 1));
    let products = (longest as u64 * seen as u64 * width as u64).max(1);
    (STEP_PRODUCTS / products).max(1) as usize
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use pollster::block_on;

    use super::*;
    use crate::observer::Unobserved;
    use crate::ops::{Rope, normalize, tensor};

    fn bits(tensor: Tensor<2>) -> Vec<u32> {
        let values: Vec<f32> = tensor.into_data().try_to_vec().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    }

    fn waves(shape: [usize; 2]) -> Tensor<2> {
        let values = (0..shape[0] * shape[1]).map(|i| (i as f32 * 0.7).sin());
        tensor(values.collect(), shape, &Device::flex())
    }

    #[test]
    fn rows_are_the_same_in_steps() {
        let x = waves([2 * STEP_ROWS + 3, 5]);
        let stepped = block_on(by_rows(x.clone(), &mut Unobserved, normalize)).unwrap();
        assert_eq!(bits(stepped), bits(normalize(x)));
    }

    #[test]
    fn heads_are_the_same_in_steps() {
        let (lengths, heads, width) = ([37, 5], 5, 8);
        let qkv = waves([42, 3 * heads * width]);
        let attended: Vec<bool> = (0..42).map(|token| token % 7 != 3).collect();
        let bounds = Bounds::new(&lengths, &attended, &Device::flex());
        let rope = Rope::new(1e4, width, 37, &Device::flex());
        for (window, causal) in [(None, false), (None, true), (Some(4), false)] {
            let how = Attention { rope: Some(&rope), window, causal, ..Attention::whole(heads) };
            let whole = bits(attention(qkv.clone(), &bounds, how));
            for most in [1, 2, 4] {
                let mut observer = Unobserved;
                let stepped = some_heads(qkv.clone(), &bounds, how, most, &mut observer);
                assert_eq!(bits(block_on(stepped).unwrap()), whole, "{most} heads a step");
            }
        }
    }

    #[test]
    fn steps_are_short_over_long_texts_alone() {
        assert!(heads_of_a_step(2_000, None, 64) >= 16);
        assert_eq!(heads_of_a_step(4_096, None, 64), 4);
        assert_eq!(heads_of_a_step(8_192, None, 64), 1);
        assert_eq!(heads_of_a_step(8_192, None, 128), 1);
        assert!(heads_of_a_step(8_192, Some(64), 64) >= 16);
    }
}
