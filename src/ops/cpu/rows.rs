//! Work on blocks of rows, side by side where there are threads.

/// Calls `work(first row, rows of out)` for consecutive blocks of `block` rows of `width` values each.
pub(super) fn for_blocks<T: Send>(
    out: &mut [T],
    width: usize,
    block: usize,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    let size = (block * width).max(1);
    #[cfg(feature = "cli")]
    {
        use rayon::prelude::*;
        out.par_chunks_mut(size).enumerate().for_each(|(i, rows)| work(i * block, rows));
    }
    #[cfg(not(feature = "cli"))]
    out.chunks_mut(size).enumerate().for_each(|(i, rows)| work(i * block, rows));
}
