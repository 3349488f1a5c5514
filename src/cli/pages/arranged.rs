//! In which order are a page's embeddings stored? The patches first, row by row from the top, so that the grid alone tells where each lies; then
//! those of the overview, then those of the prompt. No score depends on it.
//!
//! Pooled, as colpali-engine pools: the patches by themselves, into `max(⌊n / factor⌋, 1)` means of length 1; where they lie is lost.

use std::collections::HashSet;

use tabrank::late_interaction::token_pooling::pool_patches;
use tabrank::{EncodedPage, Error};

use crate::cli::encode::PageFields;

/// A page as it is stored.
pub struct Arranged {
    /// Row-major.
    pub rows: Vec<f32>,
    pub fields: PageFields,
}

/// Puts a page's embeddings in order, and pools its patches, if that is asked for.
///
/// # Errors
/// More patches than are pooled.
pub fn arranged(page: &EncodedPage, pool_factor: Option<usize>) -> Result<Arranged, Error> {
    let dimension = page.embeddings.dimension();
    let rows: Vec<&[f32]> = page.embeddings.values().chunks_exact(dimension).collect();
    let joined = |order: &[usize]| order.iter().flat_map(|&row| rows[row]).copied().collect();
    let [patches, others]: [Vec<f32>; 2] = order(page).map(|order| joined(&order));
    if let Some(factor) = pool_factor {
        let pooled = pool_patches(&patches, dimension, factor)?;
        return Ok(Arranged { rows: [pooled, others].concat(), fields: PageFields::default() });
    }
    let fields = PageFields {
        grid: page.grid.map(|side| side as u32),
        page: page.page.map(|side| side as f32),
    };
    Ok(Arranged { rows: [patches, others].concat(), fields })
}

/// The rows of patches, those of the grid first, and of all else.
fn order(page: &EncodedPage) -> [Vec<usize>; 2] {
    let (patches, others): (Vec<usize>, Vec<usize>) =
        (0..page.patches.len()).partition(|&row| page.patches[row]);
    let mut order = page.places();
    let in_grid: HashSet<usize> = order.iter().copied().collect();
    order.extend(patches.into_iter().filter(|row| !in_grid.contains(row)));
    [order, others]
}

#[cfg(test)]
mod tests {
    use tabrank::{EncodedPage, TokenEmbeddings};

    use super::arranged;

    /// A page whose embeddings are `[place, 1]`, of two tiles side by side and an overview, with a token in front of each.
    fn page() -> EncodedPage {
        let mut embeddings = TokenEmbeddings::new(2);
        let values: Vec<f32> = (0..15).flat_map(|place| [place as f32, 1.0]).collect();
        embeddings.push(&values);
        let patches = (0..15).map(|row| row % 5 != 0).collect();
        EncodedPage { embeddings, grid: [2, 4], page: [40, 20], tile: Some(2), patches }
    }

    fn firsts(rows: &[f32]) -> Vec<usize> {
        rows.chunks_exact(2).map(|row| row[0] as usize).collect()
    }

    #[test]
    fn patches_come_row_by_row() {
        let arranged = arranged(&page(), None).unwrap();
        let expected = [1, 2, 6, 7, 3, 4, 8, 9, 11, 12, 13, 14, 0, 5, 10];
        assert_eq!(firsts(&arranged.rows), expected);
        assert_eq!(arranged.fields.grid, [2, 4]);
        assert_eq!(arranged.fields.page, [40.0, 20.0]);
    }

    #[test]
    fn without_tiles_the_order_stays() {
        let page = EncodedPage { tile: None, grid: [3, 4], ..page() };
        let arranged = arranged(&page, None).unwrap();
        assert_eq!(firsts(&arranged.rows), [1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 0, 5, 10]);
    }

    #[test]
    fn only_patches_are_pooled() {
        let arranged = arranged(&page(), Some(3)).unwrap();
        let rows = firsts(&arranged.rows);
        assert!(rows.len() <= 4 + 3);
        assert_eq!(rows[rows.len() - 3..], [0, 5, 10]);
        assert_eq!(arranged.fields.grid, [0, 0]);
        assert_eq!(arranged.fields.page, [0.0, 0.0]);
    }
}
