//! One side of `make native` and of `make batches`: encodes the same texts again each time that it is told to.
//!
//! Arguments: a checkpoint folder, a weight type, a file with a JSON array of texts, how many threads, and for `make batches` how many
//! tokens a batch may have. Each line of stdin is answered by one of JSON: the milliseconds that it took, how many embeddings came
//! out, and the first text's.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

use common::crafted::{Crafted, converted};
use pollster::block_on;
use rayon::prelude::*;
use serde_json::json;
use tabrank::{
    DeviceChoice, Dtype, LoadOptions, Pooling, Reranker, TextKind, TokenEmbeddings, Unobserved,
};

/// Texts that one thread encodes by itself, about as many as `tabrank encode` gives it.
const SHARE: usize = 8;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let ([folder, dtype, texts, threads] | [folder, dtype, texts, threads, _]) = &arguments[..]
    else {
        panic!("encode FOLDER DTYPE TEXTS THREADS [TOKENS]");
    };
    let cpu_batch_tokens =
        arguments.get(4).map(|tokens| tokens.parse().expect("a number of tokens"));
    let threads = threads.parse().expect("a number of threads");
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("the first pool");
    let dtype = Dtype::from_name(dtype).expect("a weight type");
    let model = load(Path::new(folder), dtype, cpu_batch_tokens);
    let texts: Vec<String> = serde_json::from_slice(&fs::read(texts).unwrap()).unwrap();
    let share = if cpu_batch_tokens.is_some() { texts.len() } else { SHARE };
    for line in io::stdin().lines() {
        line.expect("a line");
        let start = Instant::now();
        let parts: Vec<_> = texts.par_chunks(share).map(|texts| encode(&model, texts)).collect();
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let first = parts[0].texts().next().expect("there is a text");
        let count: usize = parts.iter().flat_map(TokenEmbeddings::lengths).sum();
        println!("{}", json!({ "ms": milliseconds, "embeddings": count, "first": first }));
    }
}

fn encode(model: &Reranker, texts: &[String]) -> TokenEmbeddings {
    let mut observer = Unobserved;
    let encoded = model.encode(TextKind::Document, texts, Pooling::None, &mut observer);
    block_on(encoded).expect("the texts are encoded").embeddings
}

fn load(folder: &Path, dtype: Dtype, cpu_batch_tokens: Option<usize>) -> Reranker {
    let mut files = common::checkpoint(folder);
    if dtype != Dtype::F32 {
        let bundle = Crafted::new(converted(&files, dtype));
        files = common::gather(|name| bundle.files.get(name).cloned()).expect("a bundle");
    }
    let options =
        LoadOptions { device: DeviceChoice::Cpu, cpu_batch_tokens, ..LoadOptions::default() };
    block_on(Reranker::load(files, &options, &mut Unobserved)).expect("the model loads")
}
