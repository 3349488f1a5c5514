//! How does a model read a page, a document that is an image? The tower that sees it, the numbers of its processor and the prompt
//! that stands round the image.
//!
//! | question | file | where |
//! | --- | --- | --- |
//! | What does the tower compute? | `vision_config` of `config.json` | [`SiglipConfig`] |
//! | How does a picture become squares of numbers? | `preprocessor_config.json` | [`Splitting`], [`Normalization`] |
//! | What is said beside the image? | `processor_config.json` | [`PageConfig::prompt`] |
//!
//! Where transformers 5 has saved the processor, all that it says is in `processor_config.json`.

mod processor;
mod qwen2;
mod reader;
mod siglip;
mod whole;

use serde::Serialize;

use super::{
    EncoderConfig, Layout, MAX_HIDDEN, MAX_VOCABULARY, ModelConfig, Product, Reading, Role,
};
use crate::error::{Error, Result, Warning};
use crate::image::Normalization;
use crate::image::tiles::Splitting;
use crate::model::bundle::{TensorKind, TensorSpec};
use crate::model::checkpoint::{
    CheckpointFiles, Fields, PREPROCESSOR, PROCESSOR, Visual, VisualModel,
};
use crate::model::config::products::spec;
pub(crate) use qwen2::QWEN2_PATCHES;
pub use qwen2::Qwen2VisionConfig;
pub(crate) use reader::{PageReader, TowerConfig};
pub use siglip::SiglipConfig;
pub(crate) use siglip::{PATCHES, PLACES};
pub(super) use whole::read as read_whole;
pub use whole::{WholePageConfig, WholeTowerConfig};

/// The layer between the tower and the text's, by transformers' name.
const CONNECTOR: &str = "connector.modality_projection";
/// Most squares that a page is cut into, the overview not counted; a published processor makes 16 at most.
pub const MAX_TILES: usize = 64;
/// Most patches of a square's side that become one token.
const MAX_SHUFFLE: usize = 16;
const IMAGE: &str = "<image>";
const PROMPT: &str =
    "<|begin_of_text|>User:<image>Describe the image.<end_of_utterance>\nAssistant:";

/// What ColModernVBERT's page side says about its numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PageConfig {
    pub vision: SiglipConfig,
    /// Patches of a square's side that become one token.
    pub pixel_shuffle_factor: usize,
    /// The id whose place in the text an image's vector takes.
    pub image_token_id: u32,
    /// Width of the text tower's hidden states.
    pub text_hidden_size: usize,
    pub splitting: Splitting,
    pub pixels: Normalization,
    /// The text round the image, which stands in it as `<image>`.
    pub prompt: String,
    /// How many tokens a square takes.
    pub image_seq_len: usize,
}

impl ModelConfig {
    /// What reads pages, if its weights are wanted.
    ///
    /// # Errors
    /// Why this folder's pages are not computed here.
    pub(crate) fn wanted_page(&self, files: &CheckpointFiles) -> Result<Option<&PageConfig>> {
        match &self.page {
            Some(page) if files.takes_pages() => page.as_ref().map(Some).map_err(Error::clone),
            _ => Ok(None),
        }
    }
}

/// What reads pages, if the weights for it are there. Queries do without: so what is wrong with it is said where pages are read.
pub(super) fn read(
    reading: &mut Reading<'_>,
    layout: Layout,
    encoder: &EncoderConfig,
) -> Result<Option<Result<PageConfig>>> {
    let files = reading.files;
    if layout != Layout::Visual {
        return Ok(None);
    }
    let there = match files.manifest() {
        Some(manifest) => !manifest.pages.is_empty(),
        None => reader::siglip_weights(files).is_ok(),
    };
    let name = format!("{}config.json", reading.root);
    let config = files.fields(&name)?.filter(|_| there);
    let Some(visual) = config.map_or(Ok(None), |config| Visual::of(&config))? else {
        return Ok(None);
    };
    if visual.class.model() != VisualModel::ColModernVBert {
        return Ok(None);
    }
    let text = (encoder.vocab_size(), encoder.hidden_size());
    let mut warnings = Vec::new();
    let page = PageConfig::read(files, &reading.root, &visual.whole, text, &mut warnings);
    if files.takes_pages() {
        reading.warnings.extend(warnings);
    }
    Ok(Some(page))
}

impl PageConfig {
    /// Reads what a folder says of its page side. `config` is the object that has `vision_config`; `vocabulary` and `hidden_size` are
    /// those of the text tower.
    ///
    /// # Errors
    /// A file that is missing; a field that is absent, out of range, contradicts another or asks for something else.
    pub(crate) fn read(
        files: &CheckpointFiles,
        root: &str,
        config: &Fields<'_>,
        (vocabulary, hidden_size): (usize, usize),
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        let vision = config.required("vision_config", config.object("vision_config")?)?;
        let vision = SiglipConfig::read(&vision, warnings)?;
        let pixel_shuffle_factor = shuffle_factor(config, &vision, warnings)?;
        let image_token_id = image_token(config, vocabulary, warnings)?;
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
        let (splitting, pixels) = processor::read(&image, warnings)?;
        if splitting.tile != vision.image_size {
            let reason =
                format!("is {}; the vision tower sees {}", splitting.tile, vision.image_size);
            return Err(image.invalid("max_image_size", &reason));
        }
        let image_seq_len = (vision.side() / pixel_shuffle_factor).pow(2);
        let (prompt, said) = prompt(processor.as_ref())?;
        if let (Some(fields), Some(said)) = (&processor, said)
            && said != image_seq_len
        {
            let reason = format!("is {said}; a square of the vision tower makes {image_seq_len}");
            return Err(fields.invalid("image_seq_len", &reason));
        }
        Ok(Self {
            vision,
            pixel_shuffle_factor,
            image_token_id,
            text_hidden_size: hidden_size,
            splitting,
            pixels,
            prompt,
            image_seq_len,
        })
    }

    /// Tokens of a square's side.
    pub fn tokens_per_side(&self) -> usize {
        self.vision.side() / self.pixel_shuffle_factor
    }

    /// The layer between the tower and the text's. There is no bias.
    pub(crate) fn connector(&self) -> Product {
        Product {
            names: vec![CONNECTOR.to_owned()],
            rows: self.text_hidden_size,
            columns: self.vision.hidden_size * self.pixel_shuffle_factor.pow(2),
            bias: false,
            role: Role::Projection,
        }
    }

    /// The tower's products, then the connector, in the order of computation.
    pub fn products(&self) -> Vec<Product> {
        let layers = 0..self.vision.num_hidden_layers;
        let mut products: Vec<_> =
            layers.flat_map(|layer| self.vision.layer_products(layer)).collect();
        products.push(self.connector());
        products
    }

    /// The tensors behind the tower under their names in a bundle.
    pub(crate) fn connector_tensors(&self) -> Vec<TensorSpec> {
        let Product { rows, columns, .. } = self.connector();
        vec![spec(&format!("{CONNECTOR}.weight"), &[rows, columns], TensorKind::Product)]
    }

    /// All tensors of the page side under their names in a bundle.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        [self.vision.tensors(), self.connector_tensors()].concat()
    }
}

fn shuffle_factor(
    config: &Fields<'_>,
    vision: &SiglipConfig,
    warnings: &mut Vec<Warning>,
) -> Result<usize> {
    // The code that came with the first checkpoints called it so.
    let field = if config.has("scale_factor") { "scale_factor" } else { "pixel_shuffle_factor" };
    let factor = config.count(field, MAX_SHUFFLE)?;
    let factor = config.or_default(field, factor, 4, warnings)?;
    match vision.side().is_multiple_of(factor) {
        true if vision.hidden_size * factor * factor <= 8 * MAX_HIDDEN => Ok(factor),
        true => Err(config.invalid(field, &format!("is {factor}, which makes too wide a vector"))),
        false => {
            let reason =
                format!("is {factor}; it must divide the {} patches of a side", vision.side());
            Err(config.invalid(field, &reason))
        }
    }
}

fn image_token(config: &Fields<'_>, vocabulary: usize, warnings: &mut Vec<Warning>) -> Result<u32> {
    let field = "image_token_id";
    let id = config.count(field, MAX_VOCABULARY)?;
    let id = config.or_default(field, id, 50_407, warnings)?;
    match id < vocabulary {
        true => Ok(id as u32),
        false => {
            let reason = format!("is {id}; the vocabulary has {vocabulary} entries");
            Err(config.invalid(field, &reason))
        }
    }
}

/// The text, and how many tokens a square is said to take.
fn prompt(processor: Option<&Fields<'_>>) -> Result<(String, Option<usize>)> {
    let Some(processor) = processor else {
        return Ok((PROMPT.to_owned(), None));
    };
    let field = "visual_prompt_prefix";
    let prompt = processor.string(field)?.filter(|prompt| !prompt.is_empty()).unwrap_or(PROMPT);
    if prompt.matches(IMAGE).count() != 1 {
        return Err(processor.invalid(field, "does not hold <image> once"));
    }
    Ok((prompt.to_owned(), processor.count("image_seq_len", 1 << 16)?))
}
