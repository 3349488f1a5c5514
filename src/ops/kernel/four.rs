//! Rows by four channels at a time, whatever their width.

use cubecl::prelude::*;

/// Four channels of one row, zero behind the last.
#[cube]
pub(super) fn read_four<E: Numeric, K: Size>(
    values: &[Vector<E, K>],
    start: usize,
    group: usize,
    depth: usize,
) -> Vector<E, Const<4>> {
    let packed = K::value();
    if comptime!(packed == 4) {
        Vector::<E, Const<4>>::cast_from(values[start + group])
    } else {
        let mut four = Vector::<E, Const<4>>::new(E::from_int(0));
        #[unroll]
        for part in 0..4usize {
            let channel = group * 4 + part;
            let value = values[start + min(channel, depth - 1)].extract(0usize);
            four.insert(part, select(channel < depth, value, E::from_int(0)));
        }
        four
    }
}
