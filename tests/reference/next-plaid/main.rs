//! `next-plaid-reference IN INDEX NBITS CHUNK PROBE`: writes an index of IN's documents, CHUNK of them in a file, to INDEX, and prints what its
//! search answers to each query: `[[[document, score], …], …]`.
//!
//! IN holds `values.npy`, f32 `[tokens, dimension]`; `lengths.npy`, i64, tokens of each document; `queries.npy`, f32
//! `[queries, tokens, dimension]`.

use std::path::Path;

use ndarray::{Array1, Array2, Array3, Axis, s};
use ndarray_npy::read_npy;
use next_plaid::{IndexConfig, MmapIndex, SearchParameters};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, index, nbits, chunk, probe] = arguments.as_slice() else {
        panic!("IN INDEX NBITS CHUNK PROBE")
    };
    let file = |name: &str| Path::new(folder).join(name);
    let values: Array2<f32> = read_npy(file("values.npy")).unwrap();
    let lengths: Array1<i64> = read_npy(file("lengths.npy")).unwrap();
    let queries: Array3<f32> = read_npy(file("queries.npy")).unwrap();
    let mut start = 0;
    let documents: Vec<Array2<f32>> = lengths
        .iter()
        .map(|&length| {
            start += length as usize;
            values.slice(s![start - length as usize..start, ..]).to_owned()
        })
        .collect();
    let config = IndexConfig {
        nbits: nbits.parse().unwrap(),
        batch_size: chunk.parse().unwrap(),
        start_from_scratch: 0,
        force_cpu: true,
        ..IndexConfig::default()
    };
    let index = MmapIndex::create_with_kmeans(&documents, index, &config).unwrap();
    let params = SearchParameters {
        n_ivf_probe: probe.parse().unwrap(),
        centroid_score_threshold: None,
        ..SearchParameters::default()
    };
    let answers: Vec<Vec<(i64, f32)>> = queries
        .axis_iter(Axis(0))
        .map(|query| {
            let found = index.search(&query.to_owned(), &params, None).unwrap();
            found.passage_ids.into_iter().zip(found.scores).collect()
        })
        .collect();
    println!("{}", serde_json::to_string(&answers).unwrap());
}
