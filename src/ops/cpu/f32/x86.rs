//! x86-64: AVX-512, else AVX2 with FMA, else the plain loop.
//!
//! Of a tile as many rows and panels are taken at a time as registers hold their sums: no sum leaves them before its last input.

use core::arch::x86_64::*;

use super::{PANEL, Panels, plain};

pub(super) const TILE_ROWS: usize = 12;
pub(super) const TILE_PANELS: usize = 4;

pub(super) fn tile<const FUSED: bool>(
    rows: &[f32],
    panels: Panels<'_>,
    out: &mut [f32],
    stride: usize,
) {
    match form() {
        Form::Wide => with(wide::<FUSED>, rows, panels, out, stride),
        Form::Narrow => with(narrow::<FUSED>, rows, panels, out, stride),
        Form::Plain => plain::tile::<FUSED>(rows, panels, out, stride),
    }
}

enum Form {
    Wide,
    Narrow,
    Plain,
}

fn form() -> Form {
    match is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        true if is_x86_feature_detected!("avx512f") => Form::Wide,
        true => Form::Narrow,
        false => Form::Plain,
    }
}

/// A tile by a form whose features the processor has.
fn with(
    form: unsafe fn(Place, usize, usize),
    rows: &[f32],
    panels: Panels<'_>,
    out: &mut [f32],
    stride: usize,
) {
    let (count, width) = (rows.len() / panels.inputs, panels.count());
    assert!(count > 0 && width > 0, "there is a row and a panel");
    let last = (width - 1) * panels.apart;
    assert!(panels.values.len() >= last + panels.inputs * PANEL, "a panel has all inputs");
    assert!(out.len() >= (count - 1) * stride + width * PANEL, "there is a place for each row");
    let place = Place {
        rows: rows.as_ptr(),
        inputs: panels.inputs,
        panels: panels.values.as_ptr(),
        apart: panels.apart,
        out: out.as_mut_ptr(),
        stride,
    };
    // SAFETY: the features were found, and all is as large as just asserted.
    unsafe { form(place, count, width) }
}

/// Rows of `inputs` values, panels that lie `apart`, and places for their products, whose rows are `stride` apart.
#[derive(Clone, Copy)]
struct Place {
    rows: *const f32,
    inputs: usize,
    panels: *const f32,
    apart: usize,
    out: *mut f32,
    stride: usize,
}

impl Place {
    /// Without the first rows and panels.
    ///
    /// # Safety
    /// There must be as many.
    unsafe fn skip(self, rows: usize, panels: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            Self {
                rows: self.rows.add(rows * self.inputs),
                panels: self.panels.add(panels * self.apart),
                out: self.out.add(rows * self.stride + panels * PANEL),
                ..self
            }
        }
    }
}

/// # Safety
/// There must be so many rows and panels, AVX-512 and AVX2 with FMA.
unsafe fn wide<const FUSED: bool>(place: Place, rows: usize, panels: usize) {
    let pairs = panels / 2;
    // SAFETY: the caller's.
    unsafe {
        match pairs {
            0 => {}
            1 => avx512::tiles::<FUSED, 1>(place, rows),
            _ => avx512::tiles::<FUSED, 2>(place, rows),
        }
        if panels % 2 == 1 {
            avx2::tiles::<FUSED, 1>(place.skip(0, 2 * pairs), rows);
        }
    }
}

/// # Safety
/// There must be so many rows and panels, and AVX2 with FMA.
unsafe fn narrow<const FUSED: bool>(place: Place, rows: usize, panels: usize) {
    for first in (0..panels).step_by(2) {
        // SAFETY: the caller's.
        unsafe {
            match panels - first {
                1 => avx2::tiles::<FUSED, 1>(place.skip(0, first), rows),
                _ => avx2::tiles::<FUSED, 2>(place.skip(0, first), rows),
            }
        }
    }
}

/// An instruction set: its register, how many there are of them, and how many panels make one.
macro_rules! version {
    (
        $name:ident, $features:literal, $registers:literal, $panels:literal,
        $zero:ident, $splat:ident, $load:ident, $read:ident, $store:ident, $fused:ident, $multiply:ident, $add:ident
    ) => {
        mod $name {
            use super::*;

            /// # Safety
            /// There must be so many rows, V registers of panels, and the features.
            pub(super) unsafe fn tiles<const FUSED: bool, const V: usize>(
                mut place: Place,
                mut rows: usize,
            ) {
                while rows > 0 {
                    // SAFETY: the caller's; so many rows are left.
                    unsafe {
                        let done = match rows {
                            12.. if 12 * V < $registers => tile::<FUSED, 12, V>(place),
                            8.. if 8 * V < $registers => tile::<FUSED, 8, V>(place),
                            6.. => tile::<FUSED, 6, V>(place),
                            4.. => tile::<FUSED, 4, V>(place),
                            2.. => tile::<FUSED, 2, V>(place),
                            _ => tile::<FUSED, 1, V>(place),
                        };
                        rows -= done;
                        place = place.skip(done, 0);
                    }
                }
            }

            /// Answers M.
            ///
            /// # Safety
            /// There must be M rows, V registers of panels, and the features.
            #[target_feature(enable = $features)]
            unsafe fn tile<const FUSED: bool, const M: usize, const V: usize>(
                place: Place,
            ) -> usize {
                let Place { rows, inputs, panels, apart, out, stride } = place;
                let mut sums = [[$zero(); V]; M];
                if FUSED {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        for (place, sum) in sums.iter_mut().enumerate() {
                            // SAFETY: the caller's.
                            unsafe {
                                *sum = $read(out.add(row * stride + place * $panels * PANEL))
                            };
                        }
                    }
                }
                for input in 0..inputs {
                    let mut weights = [$zero(); V];
                    // SAFETY: the caller's.
                    unsafe {
                        for (place, weights) in weights.iter_mut().enumerate() {
                            let first = panels.add(place * $panels * apart + input * PANEL);
                            *weights = $load(first, apart);
                        }
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let x = $splat(*rows.add(row * inputs + input));
                            for (sum, weights) in sums.iter_mut().zip(weights) {
                                *sum = match FUSED {
                                    true => $fused(x, weights, *sum),
                                    false => $add(*sum, $multiply(x, weights)),
                                };
                            }
                        }
                    }
                }
                for (row, sums) in sums.into_iter().enumerate() {
                    for (place, sum) in sums.into_iter().enumerate() {
                        // SAFETY: the caller's.
                        unsafe { $store(out.add(row * stride + place * $panels * PANEL), sum) };
                    }
                }
                M
            }
        }
    };
}

version!(
    avx512,
    "avx512f",
    32,
    2,
    _mm512_setzero_ps,
    _mm512_set1_ps,
    two_panels,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_mul_ps,
    _mm512_add_ps
);
version!(
    avx2,
    "avx2,fma",
    16,
    1,
    _mm256_setzero_ps,
    _mm256_set1_ps,
    one_panel,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_mul_ps,
    _mm256_add_ps
);

/// # Safety
/// There must be eight values, as many so far behind them, and AVX-512.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn two_panels(first: *const f32, apart: usize) -> __m512 {
    // SAFETY: the caller's.
    let [low, high] = unsafe { [_mm256_loadu_ps(first), _mm256_loadu_ps(first.add(apart))] };
    let low = _mm512_castps_pd(_mm512_castps256_ps512(low));
    _mm512_castpd_ps(_mm512_insertf64x4::<1>(low, _mm256_castps_pd(high)))
}

/// # Safety
/// There must be eight values, and AVX2.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn one_panel(first: *const f32, _: usize) -> __m256 {
    // SAFETY: the caller's.
    unsafe { _mm256_loadu_ps(first) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    /// Products of `rows` with `panels` by a form, between two panels and columns that nothing may touch.
    fn products(
        tile: impl Fn(&[f32], Panels<'_>, &mut [f32], usize),
        [rows, inputs, panels]: [usize; 3],
    ) -> Vec<u32> {
        let mut random = SplitMix64(7);
        let mut values = |count: usize| -> Vec<f32> {
            (0..count).map(|_| (random.next() % 4_001) as f32 / 1_000.0 - 2.0).collect()
        };
        let (x, apart) = (values(rows * inputs), (inputs + 3) * PANEL);
        let weights = values(panels * apart - 3 * PANEL);
        let panels_of = Panels { values: &weights, inputs, apart };
        let stride = panels * PANEL + 5;
        let mut out = values(rows * stride - 5);
        tile(&x, panels_of, &mut out, stride);
        out.into_iter().map(f32::to_bits).collect()
    }

    #[test]
    fn every_form_gives_the_same_sums() {
        if cfg!(miri) && matches!(form(), Form::Plain) {
            return;
        }
        assert!(!matches!(form(), Form::Plain), "this test wants a processor with AVX2");
        let shapes = (1..=TILE_ROWS).flat_map(|rows| {
            (1..=TILE_PANELS).flat_map(move |panels| [[rows, 1, panels], [rows, 37, panels]])
        });
        for shape in shapes {
            let by = |form: unsafe fn(Place, usize, usize)| {
                products(|x, panels, out, stride| with(form, x, panels, out, stride), shape)
            };
            assert_eq!(by(narrow::<false>), products(plain::tile::<false>, shape), "{shape:?}");
            if matches!(form(), Form::Wide) {
                assert_eq!(by(wide::<false>), by(narrow::<false>), "{shape:?}");
                assert_eq!(by(wide::<true>), by(narrow::<true>), "fused, {shape:?}");
            }
        }
    }
}
