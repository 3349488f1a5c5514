//! One side of `make index`: how an index answers beside scoring all documents.
//!
//! ```text
//! index INDEX QUERIES DOCUMENTS PROBE:SCORES[,PROBE:SCORES]…     a line of JSON for each of the settings
//! ```
//!
//! QUERIES and DOCUMENTS are files of embeddings; the ids of the latter are in the lines of INDEX.jsonl.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use tabrank::late_interaction::maxsim::maxsim_compressed;
use tabrank::{CompressedEmbeddings, EmbeddingsFile, Index, SearchOptions};

const TOP: usize = 10;

fn main() {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let [index, queries, documents, settings] = &words[..] else {
        panic!("INDEX QUERIES DOCUMENTS PROBE:SCORES")
    };
    measure(Path::new(index), Path::new(queries), Path::new(documents), settings);
}

fn embeddings(path: &Path) -> CompressedEmbeddings {
    let name = path.display().to_string();
    EmbeddingsFile::read(&name, &fs::read(path).unwrap(), &[]).unwrap().embeddings
}

fn measure(index: &Path, queries: &Path, documents: &Path, settings: &str) {
    let queries = embeddings(queries).decompress();
    let queries: Vec<&[f32]> = queries.texts().collect();
    let documents = embeddings(documents);
    let ids = ids(index);
    let start = Instant::now();
    let best: Vec<Vec<usize>> = queries.iter().map(|query| best(query, &documents)).collect();
    let exhaustive = start.elapsed().as_secs_f64() * 1e3 / queries.len() as f64;
    for setting in settings.split(',') {
        let (probe, scores) = setting.split_once(':').expect("PROBE:SCORES");
        let (n_ivf_probe, n_full_scores) = (probe.parse().unwrap(), scores.parse().unwrap());
        let options = SearchOptions { top_k: TOP, n_ivf_probe, n_full_scores };
        let mut folder = Folder::open(index);
        let (mut found, mut parts, mut bytes) = (0, 0, 0);
        let start = Instant::now();
        for (query, best) in queries.iter().zip(&best) {
            let hits = folder.search(query, &options);
            found += hits.iter().filter(|id| best.contains(&ids[*id])).count();
            (parts, bytes) = (parts + folder.parts, bytes + folder.bytes);
        }
        let count = queries.len() as f64;
        let line = json!({
            "n_ivf_probe": n_ivf_probe,
            "n_full_scores": n_full_scores,
            "recall": found as f64 / (TOP as f64 * count),
            "parts": parts as f64 / count,
            "bytes": bytes as f64 / count,
            "start_bytes": folder.start_bytes,
            "ms": start.elapsed().as_secs_f64() * 1e3 / count,
            "exhaustive_ms": exhaustive,
        });
        println!("{line}");
    }
}

/// The places of the documents that score best, of all.
fn best(query: &[f32], documents: &CompressedEmbeddings) -> Vec<usize> {
    let scores = maxsim_compressed(query, documents);
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    places.truncate(TOP);
    places
}

/// The line of each id in the documents that the index was built of, which lie beside it.
fn ids(index: &Path) -> HashMap<String, usize> {
    let lines = fs::read_to_string(index.with_extension("jsonl")).unwrap();
    let id = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        object["id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).zip(0..).collect()
}

/// An index whose parts are read anew for each query.
struct Folder {
    folder: PathBuf,
    index: Index,
    /// Of the manifest and the codec.
    start_bytes: usize,
    /// Of the last query.
    parts: usize,
    bytes: usize,
}

impl Folder {
    fn open(folder: &Path) -> Self {
        let manifest = fs::read(folder.join("index.json")).unwrap();
        let mut index = Index::open(&manifest).unwrap();
        let mut start_bytes = manifest.len();
        for file in index.wanted() {
            let bytes = fs::read(folder.join(&file)).unwrap();
            start_bytes += bytes.len();
            index.give(&file, &bytes).unwrap();
        }
        Self { folder: folder.to_owned(), index, start_bytes, parts: 0, bytes: 0 }
    }

    fn search(&mut self, query: &[f32], options: &SearchOptions) -> Vec<String> {
        (self.parts, self.bytes) = (0, 0);
        let mut search = self.index.search(query, options).unwrap();
        loop {
            let wanted = search.wanted();
            if wanted.is_empty() {
                return search.hits().iter().map(|hit| hit.id.clone()).collect();
            }
            for file in wanted {
                let bytes = fs::read(self.folder.join(&file)).unwrap();
                (self.parts, self.bytes) = (self.parts + 1, self.bytes + bytes.len());
                search.give(&file, &bytes).unwrap();
            }
        }
    }
}
