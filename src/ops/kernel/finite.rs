//! What is infinite or NaN, told by its bits: shader compilers may assume that there are no such values, and fold a comparison
//! with them away.

use cubecl::prelude::*;

/// The bits of a number without its sign.
pub(super) const MAGNITUDE: u32 = 0x7fff_ffff;
/// The least magnitude that is no finite number.
pub(super) const INFINITE: u32 = 0x7f80_0000;
const NAN: u32 = 0x7fc0_0000;

/// Whether a value is a number.
#[cube]
pub(super) fn is_finite(value: f32) -> bool {
    (u32::reinterpret(value) & MAGNITUDE) < INFINITE
}

/// `value`, or NaN unless `whole`.
#[cube]
pub(super) fn or_nan(value: f32, whole: bool) -> f32 {
    f32::reinterpret(select(whole, u32::reinterpret(value), NAN))
}

/// `y`, but each element of `x` that is infinite or NaN in its place.
#[cube]
pub(super) fn carry<N: Size>(x: Vector<f32, N>, y: Vector<f32, N>) -> Vector<f32, N> {
    let magnitude = Vector::<u32, N>::reinterpret(x) & Vector::<u32, N>::new(MAGNITUDE);
    select_many(magnitude.less_than(&Vector::<u32, N>::new(INFINITE)), y, x)
}
