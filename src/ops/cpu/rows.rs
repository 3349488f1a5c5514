//! Work on blocks of rows, side by side where there are threads.

/// Rows that are worth a thread: fewer wait for weights as long as these do.
#[cfg(feature = "cli")]
const LEAST: usize = 12;

/// Calls `work(first row, rows of out)` for consecutive blocks of at most `most` rows of `width` values each, as many for each
/// thread.
pub(super) fn for_blocks<T: Send>(
    out: &mut [T],
    width: usize,
    most: usize,
    work: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    #[cfg(feature = "cli")]
    {
        use rayon::prelude::*;
        let rows = out.len().checked_div(width).unwrap_or(0);
        let blocks = rows.div_ceil(most).next_multiple_of(rayon::current_num_threads());
        let block = rows.div_ceil(blocks.max(1)).max(most.min(LEAST));
        let size = (block * width).max(1);
        out.par_chunks_mut(size).enumerate().for_each(|(i, rows)| work(i * block, rows));
    }
    #[cfg(not(feature = "cli"))]
    {
        let size = (most * width).max(1);
        out.chunks_mut(size).enumerate().for_each(|(i, rows)| work(i * most, rows));
    }
}
