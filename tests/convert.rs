//! Conversion: the quantizer against numpy, and what `convert` promises.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;

use common::crafted::{
    Crafted, Raw, SHARD, converted, f32_tensor, floats, read_tensors, write_tensors,
};
use common::{CASES, Fixture, fixtures, load};
use half::f16;
use pollster::block_on;
use serde_json::{Value, json};
use tabrank::convert::{Coming, Exponents, Fetch, convert_from, equalizer, q4, q8};
use tabrank::model::checkpoint::{ReadAt, header_end};
use tabrank::model::quantize::{Matrix, PRODUCT_CODE, Q8_BLOCK, TABLE_CODE, Values};
use tabrank::{
    CheckpointFiles, ConvertOptions, Dtype, Error, LoadOptions, Observer, Pooling, Reranker,
    Source, Stage, TextKind, Unobserved, convert,
};

const COLUMNS: usize = 96;

fn numpy() -> BTreeMap<String, Raw> {
    read_tensors(&fs::read(fixtures().join("quantize/expected.safetensors")).unwrap())
}

fn bytes(raw: &Raw) -> Vec<i8> {
    raw.2.iter().map(|&byte| byte as i8).collect()
}

#[test]
fn equalizers_are_those_of_the_reference() {
    let numpy = numpy();
    let (weights, rms) = (floats(&numpy["weights"]), floats(&numpy["rms"]));
    let found = equalizer(&weights, &rms, Exponents { input: 0.5, weight: 0.25 }).unwrap();
    for (found, expected) in found.iter().zip(floats(&numpy["equalizer"])) {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found}, not {expected}");
    }
    assert_eq!(equalizer(&[0.0; 64], &[1.0; 32], Exponents { input: 0.5, weight: 0.5 }), None);
}

#[test]
fn codes_and_scales_of_8_bits_are_those_of_the_reference() {
    let numpy = numpy();
    let (weights, factors) = (floats(&numpy["weights"]), floats(&numpy["equalizer"]));
    for (name, factors, limit, block) in
        [("q8", Some(&factors[..]), PRODUCT_CODE, Q8_BLOCK), ("table8", None, TABLE_CODE, COLUMNS)]
    {
        let Values::Q8 { codes, scales } = q8(&weights, COLUMNS, factors, limit, block) else {
            panic!("q8 gives q8");
        };
        assert_eq!(codes, bytes(&numpy[&format!("{name}.codes")]), "{name}");
        assert_eq!(scales, floats(&numpy[&format!("{name}.scales")]), "{name}");
    }
}

#[test]
fn codes_and_scales_of_4_bits_are_those_of_the_reference() {
    let numpy = numpy();
    let (weights, factors) = (floats(&numpy["weights"]), floats(&numpy["equalizer"]));
    let rms = floats(&numpy["rms"]);
    let importance: Vec<f32> =
        rms.iter().zip(&factors).map(|(rms, factor)| rms * factor).map(|x| x * x).collect();
    for (name, factors, importance) in
        [("q4", Some(&factors[..]), Some(&importance[..])), ("table4", None, None)]
    {
        let Values::Q4 { nibbles, scales } = q4(&weights, COLUMNS, factors, importance) else {
            panic!("q4 gives q4");
        };
        let codes: Vec<i8> = nibbles
            .iter()
            .flat_map(|pair| [pair & 15, pair >> 4])
            .map(|nibble| nibble as i8 - 8)
            .collect();
        let raw = &numpy[&format!("{name}.scales")].2;
        let expected: Vec<f16> =
            raw.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]])).collect();
        assert_eq!(scales, expected, "{name}");
        assert_eq!(codes, bytes(&numpy[&format!("{name}.codes")]), "{name}");
    }
}

/// The last block of each row has 13 columns, the last byte one.
#[test]
fn a_short_block_is_that_of_the_reference_without_what_fills_it() {
    let numpy = numpy();
    let weights = floats(&numpy["weights"]);
    let rows =
        weights.chunks_exact(COLUMNS).flat_map(|row| &row[..45]).copied().collect::<Vec<_>>();
    let values = q4(&rows, 45, None, None);
    let Values::Q4 { nibbles, scales } = &values else { panic!("q4 gives q4") };
    assert_eq!((nibbles.len(), scales.len()), (20 * 23, 20 * 2));
    let matrix = Matrix { rows: 20, columns: 45, values: values.clone(), equalizer: None };
    let (codes, raw) = (bytes(&numpy["short4.codes"]), &numpy["short4.scales"].2);
    for (place, found) in matrix.to_f32().into_iter().enumerate() {
        let (row, column) = (place / 45, place % 45);
        let scale = 2 * (2 * row + column / 32);
        let scale = f16::from_le_bytes([raw[scale], raw[scale + 1]]).to_f32();
        assert_eq!(found, scale * f32::from(codes[row * 64 + column]), "{row}, {column}");
    }
}

/// The definition in `quantize`: a stored weight is worth what it came from, to half a step.
#[test]
fn a_quantized_matrix_is_close_to_its_weights() {
    let numpy = numpy();
    let (weights, factors) = (floats(&numpy["weights"]), floats(&numpy["equalizer"]));
    let values = q8(&weights, COLUMNS, Some(&factors), PRODUCT_CODE, Q8_BLOCK);
    let Values::Q8 { scales, .. } = values.clone() else { panic!("q8 gives q8") };
    let rows = weights.len() / COLUMNS;
    let matrix = Matrix { rows, columns: COLUMNS, values, equalizer: Some(factors.clone()) };
    for (place, (found, weight)) in matrix.to_f32().iter().zip(&weights).enumerate() {
        let (row, column) = (place / COLUMNS, place % COLUMNS);
        let step = scales[row * COLUMNS.div_ceil(Q8_BLOCK) + column / Q8_BLOCK] * factors[column];
        assert!((found - weight).abs() <= 0.501 * step, "{found}, not {weight}");
    }
}

#[test]
fn the_same_checkpoint_gives_the_same_bytes() {
    let files = Fixture::read("sentence-transformers").files;
    for dtype in Dtype::ALL {
        assert!(converted(&files, dtype) == converted(&files, dtype), "{}", dtype.name());
    }
    let size = |dtype| -> usize {
        converted(&files, dtype).files.iter().map(|(_, bytes)| bytes.len()).sum()
    };
    let sizes = Dtype::ALL.map(size);
    assert!(sizes.is_sorted_by(|larger, smaller| larger > smaller), "{sizes:?}");
}

#[test]
fn the_manifest_carries_the_source() {
    let source = Source {
        repository: Some("a/b".to_owned()),
        revision: None,
        license: Some("apache-2.0".to_owned()),
    };
    let options =
        ConvertOptions { dtype: Dtype::Q8, source: source.clone(), overrides: Default::default() };
    let files = Fixture::read("plain").files;
    let bundle = block_on(convert(files, &options, &mut Unobserved)).unwrap();
    let opened = CheckpointFiles::from_bundle(&bundle).unwrap();
    assert_eq!(opened.manifest().unwrap().source, source);
    let again = block_on(convert(opened, &options, &mut Unobserved));
    assert_eq!(again, Err(Error::AlreadyBundle { dtype: "q8" }));
}

/// Old names of LayerNorms, and a prefix: the bundle is the same but for config.json.
#[test]
fn names_in_the_bundle_are_canonical() {
    let mut files = Fixture::read("plain").files;
    let expected = converted(&files, Dtype::Q8);
    let weights = read_tensors(files.get("model.safetensors").unwrap());
    let renamed: BTreeMap<String, Raw> = weights
        .into_iter()
        .map(|(name, tensor)| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
            (format!("bert.{}", name.replace("LayerNorm.bias", "LayerNorm.beta")), tensor)
        })
        .collect();
    files.insert("model.safetensors", write_tensors(&renamed)).unwrap();
    assert!(converted(&files, Dtype::Q8) == expected);
}

/// 47 columns are no whole number of blocks, nor of bytes.
#[test]
fn what_is_called_q4_is_q4_at_any_width() {
    let mut files = Fixture::read("plain").files;
    let mut weights = read_tensors(files.get("model.safetensors").unwrap());
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let mut put = |part: &str, shape: Vec<usize>| {
            let values = floats(&weights[&name(part)]);
            let tensor = f32_tensor(shape.clone(), &values[..shape.iter().product()]);
            weights.insert(name(part), tensor);
        };
        put("intermediate.dense.weight", vec![47, 32]);
        put("intermediate.dense.bias", vec![47]);
        put("output.dense.weight", vec![32, 47]);
    }
    files.insert("model.safetensors", write_tensors(&weights)).unwrap();
    let mut config: Value = serde_json::from_slice(files.get("config.json").unwrap()).unwrap();
    config["intermediate_size"] = json!(47);
    files.insert("config.json", config.to_string().into_bytes()).unwrap();
    let bundle = Crafted::new(converted(&files, Dtype::Q4));
    let stored = read_tensors(&bundle.files[SHARD]);
    let down = "encoder.layer.0.output.dense.weight";
    assert_eq!(stored[down].1, [32, 24]);
    assert_eq!(stored[&format!("{down}.scale")].1, [32, 2]);
    let kinds: Vec<_> = stored.values().map(|(kind, ..)| *kind).collect();
    assert!(kinds.contains(&safetensors::Dtype::U8) && !kinds.contains(&safetensors::Dtype::I8));
    let model = load(&bundle.open().unwrap());
    assert_eq!(model.info().dtype, tabrank::Dtype::Q4);
    let (expected, found) = (embeddings(&load(&files)), embeddings(&model));
    assert!(common::difference(&expected, &found) < 0.2, "the numbers of a short block are lost");
}

fn embeddings(model: &Reranker) -> Vec<f32> {
    let mut observer = Unobserved;
    let encoded = model.encode(TextKind::Query, &["the oil crisis"], Pooling::None, &mut observer);
    block_on(encoded).unwrap().embeddings.values().to_vec()
}

#[test]
fn two_modules_of_one_folder_are_stored_once() {
    let mut files = Fixture::read("pylate").files;
    let mut changed = |name: &str, change: fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(files.get(name).unwrap()).unwrap();
        change(&mut value);
        files.insert(name, value.to_string().into_bytes()).unwrap();
    };
    changed("1_Dense/config.json", |config| config["out_features"] = json!(32));
    changed("modules.json", |modules| {
        let mut dense = modules[1].clone();
        dense["name"] = json!("2");
        modules.as_array_mut().unwrap().push(dense);
    });
    let square = f32_tensor(vec![32, 32], &[0.125; 1024]);
    let weights = BTreeMap::from([("linear.weight".to_owned(), square)]);
    files.insert("1_Dense/model.safetensors", write_tensors(&weights)).unwrap();
    let bundle = Crafted::new(converted(&files, Dtype::Q8));
    assert_eq!(load(&bundle.open().unwrap()).info().dimension, 32);
}

#[test]
fn weights_beyond_half_precision_are_refused_by_name() {
    let mut files = Fixture::read("plain").files;
    let name = "encoder.layer.0.output.dense.weight";
    let mut weights = read_tensors(files.get("model.safetensors").unwrap());
    let mut values = floats(&weights[name]);
    values[7] = 1e6;
    weights.insert(name.to_owned(), f32_tensor(vec![32, 64], &values));
    files.insert("model.safetensors", write_tensors(&weights)).unwrap();
    let options = ConvertOptions {
        dtype: Dtype::F16,
        source: Source::default(),
        overrides: Default::default(),
    };
    let error = block_on(convert(files, &options, &mut Unobserved)).unwrap_err();
    assert_eq!(error, Error::TensorNotFinite { name: name.to_owned() });
}

/// Counts, and stops at a step.
struct Watcher {
    stages: Vec<Stage>,
    steps: Vec<(usize, usize)>,
    stop_at: usize,
}

impl Observer for Watcher {
    fn stage(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    async fn batch_done(&mut self, done: usize, total: usize) -> ControlFlow<()> {
        self.steps.push((done, total));
        match done == self.stop_at {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn now_ms(&self) -> f64 {
        0.0
    }
}

#[test]
fn a_conversion_shows_its_share_and_can_be_stopped() {
    let files = Fixture::read("plain").files;
    let options = ConvertOptions {
        dtype: Dtype::Q8,
        source: Source::default(),
        overrides: Default::default(),
    };
    for stop_at in [2, 20, usize::MAX] {
        let mut watcher = Watcher { stages: Vec::new(), steps: Vec::new(), stop_at };
        let bundle = block_on(convert(files.clone(), &options, &mut watcher));
        assert_eq!(watcher.stages, [Stage::Convert]);
        assert!(watcher.steps.iter().enumerate().all(|(place, step)| step.0 == place + 1));
        let &(done, total) = watcher.steps.last().unwrap();
        match stop_at == usize::MAX {
            true => assert_eq!((bundle.is_ok(), done), (true, total)),
            false => assert_eq!((bundle, done), (Err(Error::Aborted), stop_at)),
        }
    }
}

fn to_q8() -> ConvertOptions {
    ConvertOptions { dtype: Dtype::Q8, source: Source::default(), overrides: Default::default() }
}

/// A checkpoint's files, handed out in parts.
struct Parts {
    files: BTreeMap<String, Vec<u8>>,
    asked: Mutex<Vec<(String, Range<u64>)>>,
}

impl Parts {
    fn of(case: &'static str) -> Self {
        let files = Fixture::read(case).files;
        let files = files.iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
        Self { files, asked: Mutex::default() }
    }

    /// The files, of weights all in front of the tensors' data.
    fn headers(&self) -> CheckpointFiles {
        let mut headers = CheckpointFiles::new();
        loop {
            let wanted = headers.wanted().unwrap();
            if wanted.is_empty() {
                return headers;
            }
            for file in wanted {
                match self.files.get(&file.name) {
                    Some(bytes) if file.takes_header() => {
                        let end = header_end(&file.name, &bytes[..8]).unwrap() as usize;
                        let header = bytes[..end].to_vec();
                        headers.insert_header(&file.name, header, bytes.len() as u64).unwrap();
                    }
                    Some(bytes) => headers.insert(&file.name, bytes.to_vec()).unwrap(),
                    None => headers.insert_missing(&file.name).unwrap(),
                }
            }
        }
    }

    fn part(&self, file: &str, range: Range<u64>) -> Vec<u8> {
        self.asked.lock().unwrap().push((file.to_owned(), range.clone()));
        self.files.get(file).unwrap()[range.start as usize..range.end as usize].to_vec()
    }
}

impl Fetch for Parts {
    fn fetch(&self, file: &str, range: Range<u64>) -> Coming {
        let bytes = self.part(file, range);
        Box::pin(async { Ok(bytes) })
    }
}

impl ReadAt for Parts {
    fn read_at(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        match range.start > 60_000 {
            true => Err(Error::Read { file: file.to_owned(), reason: "it was cut".to_owned() }),
            false => Ok(self.part(file, range)),
        }
    }
}

#[test]
fn weights_that_come_in_parts_give_the_same_bytes() {
    for case in CASES.iter() {
        let parts = Parts::of(case);
        let (options, mut observer) = (to_q8(), Unobserved);
        let found = convert_from(parts.headers(), &parts, &options, &mut observer);
        assert!(
            block_on(found).unwrap() == converted(&Fixture::read(case).files, Dtype::Q8),
            "{case}"
        );
        let mut asked = parts.asked.into_inner().unwrap();
        assert!(asked.len() > 2, "{case}: {asked:?}");
        asked.sort_by_key(|(file, range)| (file.clone(), range.start));
        for pair in asked.windows(2) {
            let [(before, range), (after, next)] = pair else { unreachable!("windows of two") };
            assert!(before != after || range.end <= next.start, "{case}: {pair:?}");
        }
    }
}

/// Nothing is read before it is needed, and what cannot be read is said.
#[test]
fn a_file_that_is_cut_while_it_is_read_is_named() {
    let parts = Parts::of("plain");
    let mut files = parts.headers();
    let unread = block_on(Reranker::load(files.clone(), &LoadOptions::default(), &mut Unobserved));
    assert!(unread.err().unwrap().to_string().contains("model.safetensors beyond its header"));
    files.read_with(parts);
    let loaded = block_on(Reranker::load(files.clone(), &LoadOptions::default(), &mut Unobserved));
    let error =
        Error::Read { file: "model.safetensors".to_owned(), reason: "it was cut".to_owned() };
    assert_eq!(loaded.err().unwrap(), error);
    assert_eq!(block_on(convert(files, &to_q8(), &mut Unobserved)).unwrap_err(), error);
}
