//! Pages as images: every stage of a tiny ColModernVBERT against what transformers computes, in every layout and type of weights.
//! `tests/reference/visual_colmodernvbert.py` makes what is expected; the README beside the fixtures names it.

mod common;

use std::fs;
use std::path::PathBuf;

use common::difference;
use common::stopper::Stopper;
use pollster::block_on;
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use tabrank::image::Picture;
use tabrank::{
    CheckpointFiles, ConvertOptions, DeviceChoice, Dtype, EncodedPage, Error, LoadOptions,
    PageLayout, PageOptions, Reranker, Source, Unobserved, convert,
};

/// Of f32, at each stage.
const TOLERANCE: f32 = 2e-4;

#[derive(Deserialize)]
struct Expected {
    pages: Vec<ExpectedPage>,
}

#[derive(Deserialize)]
struct ExpectedPage {
    size: [usize; 2],
    split: bool,
    rows: usize,
    columns: usize,
    ids: Vec<u32>,
    patches: Vec<u8>,
    hidden: bool,
}

struct Case {
    pages: Vec<ExpectedPage>,
    tensors: Vec<u8>,
}

impl Case {
    fn read() -> Self {
        let json = fs::read(folder().join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_slice(&json).unwrap();
        assert_eq!(expected.pages.len(), 8);
        let tensors = fs::read(folder().join("expected.safetensors")).unwrap();
        Self { pages: expected.pages, tensors }
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let tensors = SafeTensors::deserialize(&self.tensors).unwrap();
        tensors.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}")).data().to_vec()
    }

    fn tensor(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes(name);
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    }

    fn picture(&self, page: usize) -> Picture {
        let [width, height] = self.pages[page].size;
        Picture::from_rgb(width, height, self.bytes(&format!("page.{page}.pixels"))).unwrap()
    }

    fn embeddings(&self, page: usize) -> Vec<f32> {
        self.tensor(&format!("page.{page}.embeddings"))
    }

    /// Pages that are cut, as the checkpoint says.
    fn cut(&self) -> impl Iterator<Item = usize> {
        (0..self.pages.len()).filter(|&page| self.pages[page].split)
    }
}

fn folder() -> PathBuf {
    common::fixtures().join("visual/colmodernvbert")
}

/// The files of a layout that lies over the native one.
fn layered(layer: &str) -> CheckpointFiles {
    let folders = [folder().join(layer), folder().join("checkpoint")];
    gather(|name| folders.iter().find_map(|folder| fs::read(folder.join(name)).ok()))
}

fn native() -> CheckpointFiles {
    layered("checkpoint")
}

fn gather(mut find: impl FnMut(&str) -> Option<Vec<u8>>) -> CheckpointFiles {
    gathered(CheckpointFiles::take_pages, &mut find)
}

fn gathered(
    take: impl FnOnce(&mut CheckpointFiles),
    find: &mut impl FnMut(&str) -> Option<Vec<u8>>,
) -> CheckpointFiles {
    let mut files = CheckpointFiles::new();
    take(&mut files);
    loop {
        let wanted = files.wanted().unwrap();
        if wanted.is_empty() {
            return files;
        }
        for file in wanted {
            match find(&file.name) {
                Some(bytes) => files.insert(&file.name, bytes).unwrap(),
                None => files.insert_missing(&file.name).unwrap(),
            }
        }
    }
}

/// With one setting of a file in place of its own.
fn with(
    mut files: CheckpointFiles,
    file: &str,
    pointer: &str,
    value: serde_json::Value,
) -> CheckpointFiles {
    let mut json: serde_json::Value = serde_json::from_slice(files.get(file).unwrap()).unwrap();
    *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{file} has {pointer}")) = value;
    files.insert(file, json.to_string().into_bytes()).unwrap();
    files
}

fn load(files: &CheckpointFiles) -> Reranker {
    try_load(files).unwrap()
}

fn try_load(files: &CheckpointFiles) -> tabrank::Result<Reranker> {
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    block_on(Reranker::load(files.clone(), &options, &mut Unobserved))
}

fn encode(reranker: &Reranker, picture: &Picture, options: PageOptions) -> EncodedPage {
    block_on(reranker.encode_page(picture, options, &mut Unobserved)).unwrap()
}

#[test]
fn every_stage_is_the_references() {
    let case = Case::read();
    let cut = load(&native());
    let uncut = with(native(), "preprocessor_config.json", "/do_image_splitting", false.into());
    let uncut = load(&uncut);
    for (index, expected) in case.pages.iter().enumerate() {
        let reranker = if expected.split { &cut } else { &uncut };
        let picture = case.picture(index);
        let found = block_on(reranker.inspect_page(&picture, PageOptions::default())).unwrap();
        let PageLayout { rows, columns, page } = found.layout;
        assert_eq!((rows, columns, page), (expected.rows, expected.columns, expected.size));
        assert_eq!(found.tokens.ids, expected.ids, "page {index}");
        assert!(found.tokens.attention_mask.iter().all(|&attended| attended));
        let patches: Vec<u8> = found.page.patches.iter().map(|&patch| patch.into()).collect();
        assert_eq!(patches, expected.patches, "page {index}");
        assert_close(
            found.page.embeddings.values(),
            &case.embeddings(index),
            &format!("page {index}"),
        );
        if expected.hidden {
            let name = |stage: &str| format!("page.{index}.{stage}");
            let stages = found.tower[0].len();
            for stage in 0..stages {
                let label = if stage + 1 == stages { "norm".to_owned() } else { stage.to_string() };
                let tiles: Vec<f32> =
                    found.tower.iter().flat_map(|tile| tile[stage].clone()).collect();
                let name = name(&format!("vision.{label}"));
                assert_close(&tiles, &case.tensor(&name), &name);
            }
            assert_close(&found.features, &case.tensor(&name("features")), &name("features"));
            let last = found.hidden_states.len() - 1;
            for (stage, hidden) in found.hidden_states.iter().enumerate() {
                let label = if stage == last { "norm".to_owned() } else { stage.to_string() };
                let name = name(&format!("hidden.{label}"));
                assert_close(hidden, &case.tensor(&name), &name);
            }
        }
    }
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
    let difference = difference(found, expected) / scale;
    assert!(difference < TOLERANCE, "{what}: {difference:e}");
}

#[test]
fn every_layout_is_the_same_model() {
    let case = Case::read();
    for layer in ["older", "engine"] {
        let reranker = load(&layered(layer));
        for page in [0, 2] {
            let found = encode(&reranker, &case.picture(page), PageOptions::default());
            let what = format!("{layer}, page {page}");
            assert_close(found.embeddings.values(), &case.embeddings(page), &what);
        }
    }
}

fn converted(dtype: Dtype) -> Vec<(String, Vec<u8>)> {
    let options =
        ConvertOptions { dtype, source: Source::default(), overrides: Default::default() };
    block_on(convert(native(), &options, &mut Unobserved)).unwrap().files
}

fn of_bundle(
    bundle: &[(String, Vec<u8>)],
    take: impl FnOnce(&mut CheckpointFiles),
) -> (CheckpointFiles, Vec<String>) {
    let mut asked = Vec::new();
    let mut find = |name: &str| {
        let file = bundle.iter().find(|(other, _)| other == name)?;
        asked.push(name.to_owned());
        Some(file.1.clone())
    };
    let files = gathered(take, &mut find);
    (files, asked)
}

/// The mean cosine of vectors.
fn cosine(found: &[f32], expected: &[f32], width: usize) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let rows = found.chunks_exact(width).zip(expected.chunks_exact(width));
    let cosine = |(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let cosines: Vec<f32> = rows.map(cosine).collect();
    cosines.iter().sum::<f32>() / cosines.len() as f32
}

/// Weights of this size, by chance, make attention sharp, so that the text tower makes much of small differences: those of the tower
/// that sees are small.
#[test]
fn every_type_of_weights_comes_near() {
    let case = Case::read();
    let exact = case.tensor("page.0.features");
    for (dtype, features, page) in [
        (Dtype::F32, 0.999_999, 0.999_999),
        (Dtype::F16, 0.999_999, 0.999_999),
        (Dtype::Q8, 0.999, 0.98),
        (Dtype::Q4, 0.97, 0.8),
    ] {
        let (files, _) = of_bundle(&converted(dtype), CheckpointFiles::take_pages);
        let reranker = load(&files);
        let found = block_on(reranker.inspect_page(&case.picture(0), PageOptions::default()));
        let found = found.unwrap();
        let vectors = found.page.embeddings.values();
        let near = [
            cosine(&found.features, &exact, 24),
            cosine(vectors, &case.embeddings(0), found.page.embeddings.dimension()),
        ];
        println!("{}: {near:?}", dtype.name());
        assert!(near[0] > features && near[1] > page, "{}: {near:?}", dtype.name());
    }
}

#[test]
fn texts_need_no_shard_of_pages_and_pages_can_come_later() {
    let (case, bundle) = (Case::read(), converted(Dtype::Q8));
    let of_pages =
        |asked: &[String]| asked.iter().filter(|name| name.starts_with("pages-")).count();
    let (texts, asked) = of_bundle(&bundle, |_| {});
    assert_eq!(of_pages(&asked), 0);
    let mut reranker = load(&texts);
    assert!(!reranker.reads_pages());
    let picture = case.picture(0);
    let error = block_on(reranker.encode_page(&picture, PageOptions::default(), &mut Unobserved));
    assert_eq!(
        error.unwrap_err().to_string(),
        "pages cannot be encoded yet: what the model needs for it was not loaded"
    );
    let (pages, asked) = of_bundle(&bundle, CheckpointFiles::take_pages_alone);
    assert_eq!(of_pages(&asked), 1);
    assert!(!asked.iter().any(|name| name.starts_with("weights-")), "{asked:?}");
    block_on(reranker.load_pages(&pages, &mut Unobserved)).unwrap();
    let later = encode(&reranker, &picture, PageOptions::default());
    let (both, _) = of_bundle(&bundle, CheckpointFiles::take_pages);
    assert_eq!(later, encode(&load(&both), &picture, PageOptions::default()));
    let mut other = load(&texts);
    let (strange, _) = of_bundle(&converted(Dtype::F16), CheckpointFiles::take_pages_alone);
    let error = block_on(other.load_pages(&strange, &mut Unobserved)).unwrap_err();
    assert_eq!(error.to_string(), "files are not those that the model was loaded from");
}

#[test]
fn a_tile_is_the_same_alone_and_among_others() {
    let (case, options) = (Case::read(), PageOptions::default());
    let reranker = load(&native());
    let picture = case.picture(0);
    let features =
        |tiles| block_on(reranker.tile_features(&picture, tiles, options, &mut Unobserved));
    let layout = reranker.page_tiles(&picture, options).unwrap();
    let all = features(0..layout.tiles()).unwrap();
    let mut parts = Vec::new();
    for tiles in [0..1, 1..4, 4..4, 4..layout.tiles()] {
        parts.extend(features(tiles).unwrap());
    }
    assert_eq!(parts, all);
    let page = block_on(reranker.page_embeddings(all, &layout, options, &mut Unobserved)).unwrap();
    assert_eq!(page, encode(&reranker, &picture, options));
}

#[test]
fn patches_alone_are_those_among_all() {
    let case = Case::read();
    let reranker = load(&native());
    for page in case.cut() {
        let picture = case.picture(page);
        let all = encode(&reranker, &picture, PageOptions::default());
        let options = PageOptions { only_patches: true, ..PageOptions::default() };
        let some = encode(&reranker, &picture, options);
        assert!(some.patches.iter().all(|&patch| patch));
        let width = all.embeddings.dimension();
        let rows = all.embeddings.values().chunks_exact(width).zip(&all.patches);
        let kept: Vec<f32> =
            rows.filter(|(_, patch)| **patch).flat_map(|(row, _)| row).copied().collect();
        assert_eq!(some.embeddings.values(), kept);
        let [rows, columns] = some.grid;
        let side = some.tile.unwrap();
        assert_eq!(rows * columns + side * side, some.patches.len());
        let mut places = some.places();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..rows * columns), "each patch has its place");
    }
}

#[test]
fn fewer_tiles_are_other_vectors() {
    let case = Case::read();
    let reranker = load(&native());
    let picture = case.picture(0);
    let options = PageOptions { longest_edge: Some(64), ..PageOptions::default() };
    let fewer = reranker.page_tiles(&picture, options).unwrap();
    assert_eq!((fewer.rows, fewer.columns), (2, 2));
    let page = encode(&reranker, &picture, options);
    assert_eq!(page.grid, [4, 4]);
    for longest_edge in [0, 97] {
        let options = PageOptions { longest_edge: Some(longest_edge), ..PageOptions::default() };
        let error = reranker.page_tiles(&picture, options).unwrap_err().to_string();
        let expected = format!("longestEdge is {longest_edge}; 1 to 96 pixels can be asked for");
        assert_eq!(error, expected);
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let (case, options) = (Case::read(), PageOptions::default());
    let reranker = load(&native());
    let picture = case.picture(0);
    let layout = reranker.page_tiles(&picture, options).unwrap();
    let features = |tiles| {
        let observer = &mut Unobserved;
        let features = reranker.tile_features(&picture, tiles, options, observer);
        block_on(features).unwrap_err().to_string()
    };
    assert_eq!(features(5..8), "tiles are 5 to 8; the page has 7");
    #[allow(clippy::reversed_empty_ranges, reason = "it comes from outside")]
    let reversed = features(3..2);
    assert_eq!(reversed, "tiles are 3 to 2; the page has 7");
    let all = 7 * 4 * 24;
    let embeddings = |features: Vec<f32>, layout: PageLayout| {
        let observer = &mut Unobserved;
        let page = reranker.page_embeddings(features, &layout, options, observer);
        block_on(page).unwrap_err().to_string()
    };
    assert_eq!(
        embeddings(vec![0.0; all - 1], layout),
        "features have 671 numbers; 7 tiles make 672"
    );
    let mut wrong = vec![0.0; all];
    wrong[100] = f32::NAN;
    assert_eq!(embeddings(wrong, layout), "features hold a value that is not finite");
    for (rows, columns) in [(4, 1), (0, 2), (usize::MAX, usize::MAX)] {
        let layout = PageLayout { rows, columns, ..layout };
        let error = embeddings(Vec::new(), layout);
        assert!(error.starts_with(&format!("layout has {rows} × {columns} tiles")), "{error}");
    }
}

/// Queries do without, so that they are computed whatever is wrong with what reads pages.
#[test]
fn a_page_side_that_is_not_computed_is_said_where_pages_are_read() {
    let processor = "preprocessor_config.json";
    for (file, pointer, value, says) in [
        (
            processor,
            "/image_std",
            serde_json::json!([0.5, 0.0, 0.5]),
            "image_std is 0; a number above 0 is needed",
        ),
        (
            processor,
            "/image_mean",
            serde_json::json!([0.5, 0.5]),
            "image_mean is no list of three numbers",
        ),
        (
            processor,
            "/rescale_factor",
            serde_json::json!(-1.0),
            "rescale_factor is -1; a number above 0 is needed",
        ),
        (
            processor,
            "/do_normalize",
            false.into(),
            "do_normalize \"false\" is not supported; true is",
        ),
        (processor, "/resample", 0.into(), "resample \"0\" is not supported; 1, 2 and 3 are"),
        (
            processor,
            "/size/longest_edge",
            4_096.into(),
            "size makes more than 64 squares of 32 pixels of a page",
        ),
        (
            processor,
            "/size/longest_edge",
            5_000.into(),
            "size.longest_edge is 5000; at most 4096 is supported",
        ),
        (
            processor,
            "/max_image_size/longest_edge",
            64.into(),
            "max_image_size is 64; the vision tower sees 32",
        ),
        (
            "processor_config.json",
            "/image_seq_len",
            9.into(),
            "image_seq_len is 9; a square of the vision tower makes 4",
        ),
        (
            "config.json",
            "/vlm_config/image_token_id",
            100_000.into(),
            "image_token_id is 100000; the vocabulary has 777 entries",
        ),
        ("config.json", "/vlm_config/image_token_id", 3.into(), "<image> is not the token 3"),
        (
            "config.json",
            "/vlm_config/pixel_shuffle_factor",
            3.into(),
            "pixel_shuffle_factor is 3; it must divide the 4 patches of a side",
        ),
        (
            "config.json",
            "/vlm_config/vision_config/patch_size",
            7.into(),
            "patch_size is 7; it must divide image_size 32",
        ),
        ("config.json", "/vlm_config/vision_config/hidden_size", 30.into(), "calls for"),
        (
            "config.json",
            "/vlm_config/vision_config/hidden_act",
            "prelu".into(),
            "hidden_act \"prelu\" is not supported",
        ),
        (
            "config.json",
            "/vlm_config/vision_config/num_hidden_layers",
            4.into(),
            "vision_model.encoder.layers.3",
        ),
        (
            "config.json",
            "/vlm_config/vision_config/num_attention_heads",
            3.into(),
            "num_attention_heads is 3; it must divide hidden_size 32",
        ),
    ] {
        let files = with(native(), file, pointer, value);
        let error = try_load(&files).map(drop).unwrap_err().to_string();
        assert!(error.contains(says), "{pointer}: {error}");
    }
}

/// Another shape and other bytes of a tensor; `None` leaves it out.
type Change<'a> = dyn Fn(&str, TensorView<'_>) -> Option<(Vec<usize>, Vec<u8>)> + 'a;

#[test]
fn a_call_tells_of_each_tile_and_stops_between_layers() {
    let (case, options) = (Case::read(), PageOptions::default());
    let reranker = load(&native());
    let picture = case.picture(0);
    let stopped = |stopper: &mut Stopper| {
        block_on(reranker.tile_features(&picture, 2..5, options, stopper)).map(drop)
    };
    let mut whole = Stopper::at_batch(usize::MAX);
    assert_eq!(stopped(&mut whole), Ok(()));
    assert_eq!(whole.done, [(1, 3), (2, 3), (3, 3)]);
    // Of a tile each of three layers twice, and the connector.
    assert!(whole.pauses > 3 * 7, "{} pauses", whole.pauses);
    for pause in [1, 2, whole.pauses / 2, whole.pauses] {
        let mut stopper = Stopper::at_pause(pause);
        assert_eq!(stopped(&mut stopper), Err(Error::Aborted), "at pause {pause}");
        assert_eq!(stopper.pauses, pause);
    }
    assert_eq!(stopped(&mut Stopper::at_batch(2)), Err(Error::Aborted));
}

#[test]
fn tensors_that_are_not_what_is_called_for_are_named() {
    let file = fs::read(folder().join("checkpoint/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let tower = "vlm.vision_model.";
    let saved = |change: &Change<'_>| {
        let mut all = Vec::new();
        for (name, view) in tensors.tensors() {
            let dtype = view.dtype();
            if let Some((shape, bytes)) = change(&name, view) {
                all.push((name, dtype, shape, bytes));
            }
        }
        let views = all.iter().map(|(name, dtype, shape, bytes)| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        let mut files = native();
        let bytes = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
        files.insert("model.safetensors", bytes).unwrap();
        try_load(&files).map(drop).unwrap_err().to_string()
    };
    let same = |view: TensorView<'_>| Some((view.shape().to_vec(), view.data().to_vec()));
    let norm = format!("{tower}post_layernorm.weight");
    let missing = saved(&|name, view| if name == norm { None } else { same(view) });
    assert_eq!(missing, format!("tensor {norm} is missing from model.safetensors"));
    let kernel = format!("{tower}embeddings.patch_embedding.weight");
    let turned = saved(&|name, view| match name == kernel {
        true => Some((vec![32, 8, 3, 8], view.data().to_vec())),
        false => same(view),
    });
    assert!(turned.contains("[32, 8, 3, 8]") && turned.contains(&kernel), "{turned}");
    let connector = "vlm.connector.modality_projection.weight";
    let infinite = saved(&|name, view| {
        let mut bytes = view.data().to_vec();
        if name == connector {
            bytes[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        }
        Some((view.shape().to_vec(), bytes))
    });
    assert_eq!(infinite, format!("tensor {connector} holds a value that is not finite"));
}
