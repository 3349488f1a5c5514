//! Several heads of queries with one of keys and values (Ainslie et al., 2023).

use burn::tensor::Tensor;

/// Queries, keys and values side by side as [`super::attention()`] takes them, from queries `[tokens, heads · width]` and from keys and
/// values of fewer heads: each of those stands for as many neighbours among the queries'.
///
/// # Panics
/// If the queries' heads are no multiple of the others.
pub fn shared(query: Tensor<2>, key: Tensor<2>, value: Tensor<2>, heads: usize) -> Tensor<2> {
    let [tokens, hidden] = query.dims();
    let width = hidden / heads;
    let shared = key.dims()[1] / width;
    assert!(heads.is_multiple_of(shared), "heads share keys evenly");
    let spread = |part: Tensor<2>| -> Tensor<2> {
        let part = part.reshape([tokens, shared, 1, width]);
        part.repeat_dim(2, heads / shared).reshape([tokens, hidden])
    };
    Tensor::cat(vec![query, spread(key), spread(value)], 1)
}
