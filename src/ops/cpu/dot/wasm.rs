//! What the forms of the byte product in wasm share: the blocks around it.

/// A block tile `$name` of the form `$add`, which sums a block's products of each row with [`super::OUTPUTS`] outputs on top of
/// what is there.
macro_rules! block_form {
    ($name:ident, $add:ident $(, $feature:literal)?) => {
        pub(super) fn $name(
            rows: Rows<'_>,
            panel: Panel<'_>,
            out: &mut [[f32; OUTPUTS]; BLOCK_ROWS],
        ) {
            // Apart: within a larger function V8 has fewer registers for it.
            #[inline(never)]
            $(#[target_feature(enable = $feature)])?
            fn fixed<const M: usize>(
                rows: Rows<'_>,
                panel: Panel<'_>,
                out: &mut [[f32; OUTPUTS]; BLOCK_ROWS],
            ) {
                let Rows { codes, blocks, block, .. } = rows;
                // At run time: unrolled loops run at half the speed in V8.
                let (stride, steps) = (blocks * block, block / STEP);
                let mut totals = [[f32x4_splat(0.0); VECTORS]; M];
                for place in 0..blocks {
                    // SAFETY: M rows and the panel have this block, asserted by the caller.
                    unsafe {
                        let taken = panel.sums.as_ptr().add(place * OUTPUTS);
                        let scales = panel.scales.as_ptr().add(place * OUTPUTS);
                        let mut sums = [[i32x4_splat(0); VECTORS]; M];
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let zero = rows.zeros.as_ptr().add(row * blocks + place);
                            let zero = v128_load32_splat(zero.cast());
                            for (vector, sum) in sums.iter_mut().enumerate() {
                                // Both are within 16 bits, and the upper half of a zero's code is zero.
                                *sum = i32x4_dot_i16x8(zero, v128_load(taken.add(vector * 4).cast()));
                            }
                        }
                        let codes = codes.as_ptr().add(place * block);
                        let weights = panel.codes.as_ptr().add(place * block * OUTPUTS);
                        let sums = $add::<M>(codes, stride, weights, steps, sums);
                        for (row, (totals, sums)) in totals.iter_mut().zip(sums).enumerate() {
                            let step = rows.steps.as_ptr().add(row * blocks + place);
                            let step = v128_load32_splat(step.cast());
                            for (vector, (total, sum)) in totals.iter_mut().zip(sums).enumerate() {
                                let scaled = f32x4_mul(f32x4_convert_i32x4(sum), step);
                                let scale = v128_load(scales.add(vector * 4).cast());
                                *total = f32x4_add(*total, f32x4_mul(scaled, scale));
                            }
                        }
                    }
                }
                for (out, totals) in out.iter_mut().zip(totals) {
                    for (vector, total) in totals.into_iter().enumerate() {
                        // SAFETY: an output's place for each value.
                        unsafe { v128_store(out.as_mut_ptr().add(vector * 4).cast(), total) };
                    }
                }
            }
            with_rows!(rows.with(&panel), fixed, (rows, panel, out), 1 2 3)
        }
    };
}
pub(super) use block_form;
