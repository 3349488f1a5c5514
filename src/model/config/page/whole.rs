//! How do ColPali and ColQwen2 read a page? As one picture, which the tower sees whole:
//!
//! | | ColPali | ColQwen2 |
//! | --- | --- | --- |
//! | size | the tower's square, whatever the page's shape | multiples of the merged patches' sides, between two numbers of pixels |
//! | tower | SigLIP, then a product with a bias | Qwen2-VL's, whose merger is its last step |
//! | tokens | a patch each | blocks of patches |
//! | prompt | behind the image | round it |
//! | a token's place | counted | time, row and column |
//!
//! transformers' own `ColQwen2ForRetrieval` counts places from version 5 on, and was trained with three numbers: here a page's tokens have
//! the three, as in transformers 4 and in colpali-engine.
//!
//! Sources: `ColPaliProcessor` and `ColQwen2Processor` of transformers 5.24 and of colpali-engine 0.3.18, `Qwen2VLImageProcessor`.

use serde::Serialize;

use super::processor;
use super::qwen2::Qwen2VisionConfig;
use super::reader::{qwen2_weights, siglip_weights};
use super::siglip::SiglipConfig;
use crate::error::{Error, Result, Warning};
use crate::image::{Filter, Normalization};
use crate::model::checkpoint::{
    CheckpointFiles, Fields, PREPROCESSOR, PROCESSOR, Visual, VisualClass, VisualModel,
};
use crate::model::config::{EncoderConfig, Layout, MAX_VOCABULARY, Product, Reading, Role};

/// Most pixels that a page is enlarged to, and fewest that may be asked for.
const MAX_PIXELS: usize = 1 << 24;
/// The layer between SigLIP's tower and the text's, by transformers' name.
pub(super) const PROJECTOR: &str = "multi_modal_projector.linear";
const IMAGE: &str = "<image>";
const IMAGE_PAD: &str = "<|image_pad|>";
const COLPALI_PROMPT: &str = "Describe the image.";
const COLQWEN2_PROMPT: &str = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Describe the image.<|im_end|><|endoftext|>";

/// What such a model's page side says about its numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WholePageConfig {
    pub tower: WholeTowerConfig,
    /// The id whose place in the text an image's vector takes.
    pub image_token_id: u32,
    /// What the tokenizer calls it.
    pub image_token: &'static str,
    /// Width of the text tower's hidden states.
    pub text_hidden_size: usize,
    pub filter: Filter,
    pub pixels: Normalization,
    /// The text round the image, in which the image token stands once.
    pub prompt: String,
}

/// Which tower sees the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum WholeTowerConfig {
    /// A square of one size.
    Siglip(SiglipConfig),
    /// Any size between two numbers of pixels.
    Qwen2 { vision: Qwen2VisionConfig, min_pixels: usize, max_pixels: usize },
}

/// What reads pages in one piece, if the weights for it are there. Queries do without: so what is wrong with it is said where pages
/// are read.
pub(in crate::model::config) fn read(
    reading: &mut Reading<'_>,
    layout: Layout,
    encoder: &EncoderConfig,
) -> Result<Option<Result<WholePageConfig>>> {
    let files = reading.files;
    if layout != Layout::Visual {
        return Ok(None);
    }
    let name = format!("{}config.json", reading.root);
    let config = files.fields(&name)?;
    let Some(visual) = config.map_or(Ok(None), |config| Visual::of(&config))? else {
        return Ok(None);
    };
    let model = visual.class.model();
    let there = match files.manifest() {
        Some(manifest) => !manifest.pages.is_empty(),
        None if model == VisualModel::ColQwen2 => qwen2_weights(files).is_ok(),
        None => siglip_weights(files).is_ok(),
    };
    if model == VisualModel::ColModernVBert || !there {
        return Ok(None);
    }
    let text = (encoder.vocab_size(), encoder.hidden_size());
    let mut warnings = Vec::new();
    let page = WholePageConfig::read(files, &reading.root, &visual, text, &mut warnings);
    if files.takes_pages() {
        reading.warnings.extend(warnings);
    }
    Ok(Some(page))
}

impl WholePageConfig {
    fn read(
        files: &CheckpointFiles,
        root: &str,
        visual: &Visual<'_>,
        (vocabulary, hidden_size): (usize, usize),
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let processor_name = format!("{root}{PROCESSOR}");
        let processor = files.fields(&processor_name)?;
        let image_name = format!("{root}{PREPROCESSOR}");
        let image = match files.fields(&image_name)? {
            Some(fields) => Some(fields),
            None => {
                processor.as_ref().map_or(Ok(None), |fields| fields.object("image_processor"))?
            }
        };
        let image =
            image.ok_or_else(|| Error::MissingFile { name: image_name.clone(), hint: "" })?;
        let vision = visual.whole.object("vision_config")?;
        let vision = visual.whole.required("vision_config", vision)?;
        let tower = match visual.class.model() {
            VisualModel::ColQwen2 => qwen2(&vision, &image, warnings)?,
            _ => siglip(&vision, &image, warnings)?,
        };
        if let WholeTowerConfig::Qwen2 { vision: own, .. } = &tower
            && own.hidden_size != hidden_size
        {
            let reason = format!("is {}; the text tower's is {hidden_size}", own.hidden_size);
            return Err(vision.invalid("hidden_size", &reason));
        }
        let (filter, pixels) = processor::read_pixels(&image, warnings)?;
        Ok(Self {
            tower,
            image_token_id: image_token_id(visual, vocabulary, warnings)?,
            image_token: image_token(visual.class),
            text_hidden_size: hidden_size,
            filter,
            pixels,
            prompt: prompt(visual.class, files, root, processor.as_ref())?,
        })
    }

    /// The layer between SigLIP's tower and the text's, if there is one.
    pub(crate) fn projector(&self) -> Option<Product> {
        let WholeTowerConfig::Siglip(vision) = &self.tower else {
            return None;
        };
        Some(Product {
            names: vec![PROJECTOR.to_owned()],
            rows: self.text_hidden_size,
            columns: vision.hidden_size,
            bias: true,
            role: Role::Projection,
        })
    }
}

/// The tower's side is that of the picture.
fn siglip(
    vision: &Fields<'_>,
    image: &Fields<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<WholeTowerConfig> {
    processor::refuse_kind(image, &["SiglipImageProcessor"])?;
    let vision = SiglipConfig::read(vision, warnings)?;
    let size = image.required("size", image.object("size")?)?;
    for field in ["height", "width"] {
        let side = size.required(field, size.count(field, MAX_PIXELS)?)?;
        if side != vision.image_size {
            let reason = format!("is {side}; the vision tower sees {}", vision.image_size);
            return Err(size.invalid(field, &reason));
        }
    }
    let patches = vision.patches();
    match image.count("image_seq_length", MAX_PIXELS)? {
        Some(said) if said != patches => {
            let reason = format!("is {said}; the vision tower makes {patches}");
            Err(image.invalid("image_seq_length", &reason))
        }
        _ => Ok(WholeTowerConfig::Siglip(vision)),
    }
}

/// `min_pixels` and `max_pixels` outrank what `size` says, which is their newer name.
fn qwen2(
    vision: &Fields<'_>,
    image: &Fields<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<WholeTowerConfig> {
    processor::refuse_kind(image, &["Qwen2VLImageProcessor"])?;
    let vision = Qwen2VisionConfig::read(vision, warnings)?;
    let said = [
        ("patch_size", vision.patch_size),
        ("merge_size", vision.spatial_merge_size),
        ("temporal_patch_size", vision.temporal_patch_size),
    ];
    for (field, own) in said {
        match image.count(field, MAX_PIXELS)? {
            Some(said) if said != own => {
                let reason = format!("is {said}, and {own} in config.json");
                return Err(image.invalid(field, &reason));
            }
            _ => {}
        }
    }
    let size = image.object("size")?;
    let mut limit = |old, new, default| {
        let own = match image.count(old, MAX_PIXELS)? {
            Some(own) => Some(own),
            None => size.as_ref().map_or(Ok(None), |size| size.count(new, MAX_PIXELS))?,
        };
        image.or_default(old, own, default, warnings)
    };
    let min_pixels = limit("min_pixels", "shortest_edge", 56 * 56)?;
    let max_pixels = limit("max_pixels", "longest_edge", 28 * 28 * 1_280)?;
    match min_pixels <= max_pixels {
        true => Ok(WholeTowerConfig::Qwen2 { vision, min_pixels, max_pixels }),
        false => {
            let reason = format!("is {min_pixels}, more than max_pixels {max_pixels}");
            Err(image.invalid("min_pixels", &reason))
        }
    }
}

fn image_token_id(
    visual: &Visual<'_>,
    vocabulary: usize,
    warnings: &mut Vec<Warning>,
) -> Result<u32> {
    let (field, default) = match visual.class.model() {
        VisualModel::ColQwen2 => ("image_token_id", 151_655),
        _ => ("image_token_index", 257_152),
    };
    let config = &visual.whole;
    let id = config.count(field, MAX_VOCABULARY)?;
    let id = config.or_default(field, id, default, warnings)?;
    match id < vocabulary {
        true => Ok(id as u32),
        false => {
            let reason = format!("is {id}; the vocabulary has {vocabulary} entries");
            Err(config.invalid(field, &reason))
        }
    }
}

fn image_token(class: VisualClass) -> &'static str {
    match class.model() {
        VisualModel::ColQwen2 => IMAGE_PAD,
        _ => IMAGE,
    }
}

/// colpali-engine's classes have their own prompts; of ColPali's both it and the processor below put a first token in front.
fn prompt(
    class: VisualClass,
    files: &CheckpointFiles,
    root: &str,
    processor: Option<&Fields<'_>>,
) -> Result<String> {
    let field = "visual_prompt_prefix";
    let processor = processor.filter(|_| class.is_of_transformers());
    let said = processor.map_or(Ok(None), |processor| processor.string(field))?;
    let said = said.filter(|said| !said.is_empty());
    let prompt = match class.model() {
        VisualModel::ColQwen2 => said.unwrap_or(COLQWEN2_PROMPT).to_owned(),
        _ => {
            let first = first_token(files, root)?;
            let twice = if class.is_of_transformers() { "" } else { first.as_str() };
            let said = said.unwrap_or(COLPALI_PROMPT);
            format!("{IMAGE}{first}{twice}{said}\n")
        }
    };
    match (prompt.matches(image_token(class)).count(), processor) {
        (1, _) | (_, None) => Ok(prompt),
        (_, Some(processor)) => {
            Err(processor.invalid(field, "makes a prompt that does not hold the image token once"))
        }
    }
}

/// What `tokenizer_config.json` calls the token in front.
fn first_token(files: &CheckpointFiles, root: &str) -> Result<String> {
    let name = format!("{root}tokenizer_config.json");
    let config = files.fields(&name)?;
    let token = config.as_ref().map_or(Ok(None), |config| match config.object("bos_token") {
        Ok(Some(token)) => Ok(token.string("content")?.map(str::to_owned)),
        _ => Ok(config.string("bos_token")?.map(str::to_owned)),
    })?;
    Ok(token.unwrap_or_else(|| "<bos>".to_owned()))
}
