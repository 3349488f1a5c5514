//! What do a checkpoint's own files say about the numbers it computes?
//!
//! One parser for every layout, used by every surface. A field that changes numbers is used or
//! refused; where the reference libraries fall back to a default that they agree on, the default is
//! taken with a warning, and where they disagree the field is required. Field names are those of
//! Hugging Face and PyLate.

mod backbone;
mod bert;
mod decoder;
mod head;
mod layout;
mod left_out;
mod modernbert;
mod opened;
mod overridden;
mod page;
mod products;
mod projection;
mod similarity;
mod special_tokens;
mod text;
mod token_pooling;
mod tokenizer;
mod transformer;
mod vector;
mod weighting;

use serde::Serialize;

use crate::error::{Error, Result, Warning};
use crate::model::checkpoint::{Architecture, CheckpointFiles};
use crate::model::overrides::Overrides;

pub use crate::model::activation::Activation;
pub use bert::{BertConfig, Naming, Positions};
pub(crate) use bert::{POSITIONS, TYPES, WORDS};
pub use decoder::DecoderConfig;
pub(crate) use decoder::EMBEDDINGS;
pub use head::{HeadConfig, HeadStep, LinearConfig, NormConfig};
pub use layout::Layout;
pub(crate) use modernbert::TOKENS;
pub use modernbert::{LayerType, ModernBertConfig};
pub use overridden::Overridden;
pub use page::{
    MAX_TILES, PageConfig, Qwen2VisionConfig, SiglipConfig, WholePageConfig, WholeTowerConfig,
};
pub(crate) use page::{PATCHES, PLACES, PageReader, QWEN2_PATCHES, TowerConfig};
pub(crate) use products::layer_of;
pub use products::{Product, Role};
use projection::STANFORD_PROJECTION;
pub use projection::{DenseConfig, ProjectionStep};
pub use similarity::Similarity;
pub use special_tokens::{SpecialTokens, Token};
pub use text::{LowerCase, PageQueries, QueryExpansion, Strategy, TextConfig};
pub use token_pooling::TokenPooling;
pub use tokenizer::{BertNormalization, RobertaSwitches, TokenizerClass, TokenizerConfig};
pub use vector::{PoolingMode, VectorConfig, VectorStep};
pub use weighting::WeightingConfig;

/// Largest model that is taken.
pub(crate) const MAX_LAYERS: usize = 64;
pub(crate) const MAX_HIDDEN: usize = 4_096;
pub(crate) const MAX_VOCABULARY: usize = 1_000_000;
pub(crate) const MAX_LENGTH: usize = 8_192;

/// The architectures that `encoder/` computes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum EncoderConfig {
    Bert(BertConfig),
    ModernBert(ModernBertConfig),
    Decoder(DecoderConfig),
}

impl EncoderConfig {
    /// Width of the hidden states.
    pub fn hidden_size(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.hidden_size,
            EncoderConfig::ModernBert(config) => config.hidden_size,
            EncoderConfig::Decoder(config) => config.hidden_size,
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.num_hidden_layers,
            EncoderConfig::ModernBert(config) => config.num_hidden_layers,
            EncoderConfig::Decoder(config) => config.num_hidden_layers,
        }
    }

    /// Rows of the vocabulary table.
    pub fn vocab_size(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.vocab_size,
            EncoderConfig::ModernBert(config) => config.vocab_size,
            EncoderConfig::Decoder(config) => config.vocab_size,
        }
    }

    /// The same backbone with another number of rows in its table.
    pub(crate) fn with_vocab_size(&self, rows: usize) -> Self {
        let mut config = self.clone();
        match &mut config {
            EncoderConfig::Bert(config) => config.vocab_size = rows,
            EncoderConfig::ModernBert(config) => {
                (config.vocab_size, config.additional_vocab_size) = (rows, None);
            }
            EncoderConfig::Decoder(config) => config.vocab_size = rows,
        }
        config
    }

    /// The id whose position is not counted, if there is one.
    pub(crate) fn uncounted(&self) -> Option<usize> {
        match self {
            EncoderConfig::Bert(config) => match config.positions {
                Positions::Absolute { padding, .. } => padding,
                Positions::Rotary { .. } => None,
            },
            EncoderConfig::ModernBert(_) | EncoderConfig::Decoder(_) => None,
        }
    }

    /// Longest sequence that has positions.
    pub fn max_length(&self) -> usize {
        match self {
            EncoderConfig::Bert(config) => config.positions.longest(),
            EncoderConfig::ModernBert(config) => config.max_length(),
            EncoderConfig::Decoder(config) => config.max_length(),
        }
    }

    /// `model_type` of `config.json`.
    pub fn name(&self) -> &'static str {
        match self {
            EncoderConfig::Bert(config) => config.architecture.name(),
            EncoderConfig::ModernBert(_) => Architecture::ModernBert.name(),
            EncoderConfig::Decoder(config) => config.architecture.name(),
        }
    }
}

/// Everything that a checkpoint says about its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    pub layout: Layout,
    pub encoder: EncoderConfig,
    pub tokenizer: TokenizerConfig,
    pub text: TextConfig,
    pub projection: Vec<ProjectionStep>,
    /// Width of an embedding; 0 of a cross-encoder.
    pub dimension: usize,
    /// Factors that a query's embeddings get, where the checkpoint has such.
    pub weighting: Option<WeightingConfig>,
    /// How a query's and a document's embeddings become a score.
    pub similarity: Similarity,
    /// How many token embeddings of a document stay, where the checkpoint says so.
    pub token_pooling: Option<TokenPooling>,
    /// How the checkpoint itself makes one vector of a text, or why that is not computed here.
    pub vector: Result<VectorConfig>,
    /// How a cross-encoder makes a score; `None` of a model that makes embeddings.
    pub head: Option<HeadConfig>,
    /// How pages are read: of a model that does, where the weights for it are there; or why that is not computed here.
    pub page: Option<Result<PageConfig>>,
    /// The same of a model that sees a page in one piece.
    pub whole_page: Option<Result<WholePageConfig>>,
    /// What stands in place of the files' own settings.
    pub overridden: Overridden,
    /// What the user should know about this checkpoint.
    pub warnings: Vec<Warning>,
}

impl ModelConfig {
    /// Reads the configuration of a complete checkpoint.
    ///
    /// # Errors
    /// `CHECKPOINT_INVALID` or `CHECKPOINT_UNSUPPORTED`, naming file and field.
    pub fn from_files(files: &CheckpointFiles) -> Result<Self> {
        Self::overridden(files, &Overrides::default())
    }

    /// Reads the configuration of a complete checkpoint, which must be whole by itself, with settings in place of its own.
    ///
    /// # Errors
    /// As [`ModelConfig::from_files`]; [`Error::Override`] for a setting that does not go with the checkpoint.
    pub fn overridden(files: &CheckpointFiles, overrides: &Overrides) -> Result<Self> {
        refuse_adapter(files)?;
        files.check_settings()?;
        let root = files.transformer_path()?;
        let overridden = Overridden::new(files, overrides);
        let mut reading = Reading { files, root, overridden, warnings: Vec::new() };
        let encoder = encoder(&mut reading)?;
        let layout = Layout::of(files)?;
        let tokenizer = TokenizerConfig::from_files(files, &reading.root)?;
        let text = text::read(&mut reading, layout, &encoder, &tokenizer)?;
        let prompts = text.query_prefix.len() + text.document_prefix.len() > 0;
        let (mut projection, mut full, mut head) = (Vec::new(), 0, None);
        if layout == Layout::CrossEncoder {
            head = Some(head::read(&mut reading, &encoder, &tokenizer, prompts)?);
        } else {
            projection = projection::read(&mut reading, layout, encoder.hidden_size())?;
            full = projection::dimension(&projection, encoder.hidden_size())?;
        }
        let dimension = projection::truncate(&mut reading, &mut projection, full)?;
        let weighting = weighting::read(&mut reading, encoder.hidden_size())?;
        let similarity = similarity::read(&reading, layout)?;
        let token_pooling = token_pooling::read(&mut reading, layout)?;
        let vector = vector::read(&mut reading, layout, prompts, full)?;
        let page = page::read(&mut reading, layout, &encoder)?;
        let whole_page = page::read_whole(&mut reading, layout, &encoder)?;
        let Reading { mut warnings, overridden, .. } = reading;
        if layout == Layout::Plain {
            warnings.push(no_head());
        }
        let model = Self {
            layout,
            encoder,
            tokenizer,
            text,
            projection,
            dimension,
            weighting,
            similarity,
            token_pooling,
            vector,
            head,
            page,
            whole_page,
            overridden,
            warnings,
        };
        files.check_tensors(&model.tensors())?;
        left_out::refuse(files, layout, &model.encoder)?;
        Ok(model)
    }
}

/// The libraries would add an adapter's weights to those of the folder; here that is done for models of pages.
fn refuse_adapter(files: &CheckpointFiles) -> Result<()> {
    let file = files.adapter_file()?;
    if files.get(&file).is_none() || files.is_adapted()? {
        return Ok(());
    }
    Err(Error::Unsupported {
        file,
        field: "an adapter".to_owned(),
        value: "beside the weights".to_owned(),
        hint: "merge it into its base model (`merge_and_unload` of peft) and save that",
    })
}

/// A checkpoint that is being read.
struct Reading<'f> {
    files: &'f CheckpointFiles,
    /// Folder of the Transformer, with a closing `/` unless it is the root.
    root: String,
    overridden: Overridden,
    warnings: Vec<Warning>,
}

impl Reading<'_> {
    /// That a file is absent which the libraries write, and can do without; said once.
    fn defaulted_file(&mut self, file: &str, value: &str) {
        let message = format!(
            "{file} is absent; the reference libraries then take {value}, and so does this"
        );
        if !self.warnings.iter().any(|warning| warning.message == message) {
            self.warnings.push(Warning { code: "SETTING_DEFAULTED", message });
        }
    }
}

fn no_head() -> Warning {
    Warning {
        code: "NO_LATE_INTERACTION_HEAD",
        message: "this checkpoint was not trained for late interaction: the hidden states of all its tokens are \
                  compared, without marker, expansion, skiplist or projection. A ColBERT checkpoint ranks better."
            .to_owned(),
    }
}

fn encoder(reading: &mut Reading<'_>) -> Result<EncoderConfig> {
    let name = format!("{}config.json", reading.root);
    let config = reading
        .files
        .text_config(&name)?
        .ok_or_else(|| Error::MissingFile { name: name.clone(), hint: "" })?;
    let warnings = &mut reading.warnings;
    Ok(match Architecture::of(&config)? {
        Architecture::ModernBert => {
            EncoderConfig::ModernBert(ModernBertConfig::read(&config, warnings)?)
        }
        Architecture::Decoder(which) if reading.files.visual()?.is_none() => {
            let hint = "as the text side of a model of pages it is";
            return Err(config.unsupported("model_type", which.name(), hint));
        }
        Architecture::Decoder(which) if cfg!(target_arch = "wasm32") => {
            let hint = "in a tab none so large is, and its queries' embeddings come from a backend; \
                        the command line and the crate load it";
            return Err(config.unsupported("model_type", which.name(), hint));
        }
        Architecture::Decoder(which) => {
            EncoderConfig::Decoder(DecoderConfig::read(&config, which, warnings)?)
        }
        Architecture::Bert(which) => {
            EncoderConfig::Bert(BertConfig::read(reading.files, &config, which, warnings)?)
        }
    })
}
