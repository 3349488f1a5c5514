//! Which tokens does a token look at, and how do their places count?

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, ExtensionType};
use burn::tensor::{Device, Int, Tensor};

use super::{EncoderOps as _, ragged, tensor};

/// How the heads of a layer attend.
#[derive(Clone, Copy)]
pub struct Attention<'a> {
    pub heads: usize,
    /// Turns queries and keys by their places; none where places are in the hidden states already.
    pub rope: Option<&'a Rope>,
    /// Farthest token that is attended to, in tokens to either side; none for the whole text.
    pub window: Option<usize>,
    /// Whether tokens behind a token are not attended to.
    pub causal: bool,
    /// Whether the CPU may multiply codes of 7 bits here too, as it does where weights are codes; WebGPU multiplies in f32.
    pub coded: bool,
}

impl Attention<'_> {
    /// Every token attends to all of its text, and places do not count.
    pub fn whole(heads: usize) -> Self {
        Self { heads, rope: None, window: None, causal: false, coded: false }
    }
}

/// Rotary positions (Su et al., 2021), by halves: at place `p`, value `i` of a head and value `i + width / 2` are the
/// coordinates of a point that is turned by `p · base^(-2i / width)`.
pub struct Rope {
    /// `[positions, width]`: the cosines of a place's angles, then the sines.
    table: Tensor<2>,
    positions: usize,
}

impl Rope {
    /// For heads of `head_width` values and texts of at most `positions` tokens. Angles are computed in f64.
    ///
    /// # Panics
    /// If `head_width` is odd.
    pub fn new(base: f64, head_width: usize, positions: usize, device: &Device) -> Self {
        assert!(head_width.is_multiple_of(2), "a head has two halves");
        let half = head_width / 2;
        let angle = |i: usize| base.powf(-2.0 * i as f64 / head_width as f64);
        let angles: Vec<f64> = (0..half).map(angle).collect();
        let mut table = Vec::with_capacity(positions * head_width);
        for place in 0..positions {
            table.extend(angles.iter().map(|angle| (place as f64 * angle).cos() as f32));
            table.extend(angles.iter().map(|angle| (place as f64 * angle).sin() as f32));
        }
        Self { table: tensor(table, [positions, head_width], device), positions }
    }
}

/// What an [`Attention`] says beside its table.
#[derive(Clone, Copy)]
pub(crate) struct HeadOptions {
    pub(crate) count: usize,
    pub(crate) window: Option<usize>,
    pub(crate) causal: bool,
    pub(crate) coded: bool,
}

/// A table of [`Rope`], or none.
#[derive(ExtensionType)]
pub(crate) enum Rotation<B: Backend> {
    Absent,
    Table(FloatTensor<B>),
}

/// Where each text of a ragged batch begins, and which tokens are not attended to.
#[derive(Debug, Clone)]
pub struct Bounds {
    starts: Tensor<1, Int>,
    masked: Tensor<1, Int>,
    longest: usize,
}

impl Bounds {
    /// `lengths` of the texts, and for each token of all of them whether it may be attended to.
    pub fn new(lengths: &[usize], attended: &[bool], device: &Device) -> Self {
        let (starts, masked) = ragged(lengths, attended, device);
        Self { starts, masked, longest: lengths.iter().copied().max().unwrap_or(0) }
    }

    /// Most tokens that a text has.
    pub fn longest(&self) -> usize {
        self.longest
    }
}

/// `softmax(Q·Kᵀ / √d) · V` within each text, of the keys that each query may attend to. `qkv` `[tokens, 3 · hidden]` holds
/// query, key and value side by side; answers `[tokens, hidden]`. A query that may attend to nothing gets zeros.
///
/// # Panics
/// If a text is longer than [`Attention::rope`] has places.
pub fn attention(qkv: Tensor<2>, bounds: &Bounds, how: Attention<'_>) -> Tensor<2> {
    let (starts, masked) = (bounds.starts.clone(), bounds.masked.clone());
    let Attention { heads: count, rope, window, causal, coded } = how;
    let rotation = rope.map_or(Rotation::Absent, |rope| {
        assert!(bounds.longest <= rope.positions, "each token of a text has a place");
        Rotation::Table(rope.table.clone().into_dispatch())
    });
    Tensor::from_dispatch(Dispatch::attention(
        qkv.into_dispatch(),
        starts.into_dispatch(),
        masked.into_dispatch(),
        rotation,
        HeadOptions { count, window, causal, coded },
    ))
}
