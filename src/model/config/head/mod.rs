//! How does a cross-encoder make a score of a pair's hidden states? Its class's own layers, or the modules behind the Transformer.
//!
//! | class | of which hidden state | layers |
//! | --- | --- | --- |
//! | BERT | the first | `pooler.dense`, tanh; `classifier` |
//! | RoBERTa, XLM-RoBERTa, CamemBERT | the first | `classifier.dense`, tanh; `classifier.out_proj` |
//! | DistilBERT | the first | `pre_classifier`, ReLU; `classifier` |
//! | ModernBERT | the first, or the mean | `head.dense`, a function; `head.norm`; `classifier` |
//! | modules | the first, or the mean | Dense and LayerNorm modules; the last one, a Dense, gives `scores` |
//!
//! What they give, one number a pair, goes through a function of its own: that of the first of these that names one, else the
//! sigmoid.
//!
//! - `activation_fn` of `config_sentence_transformers.json`, where there are modules
//! - `sentence_transformers.activation_fn` of `config.json`
//! - `sbert_ce_default_activation_function` of `config.json`
//!
//! Sources: `CrossEncoder` of sentence-transformers 6.2, and the classes of transformers 5.24.

mod class;
mod modules;

use serde::Serialize;

use super::{Activation, DenseConfig, EncoderConfig, PoolingMode, Reading, TokenizerConfig};
use crate::error::Result;
use crate::model::checkpoint::{Fields, MODULES, SENTENCE_TRANSFORMERS};

/// From last hidden states to a pair's score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadConfig {
    pub pooling: PoolingMode,
    /// The last one gives one number.
    pub steps: Vec<HeadStep>,
    /// Makes the score of it.
    pub activation: Activation,
    /// Whether the encoder is told which text of a pair a token is of.
    pub types: bool,
}

/// One step behind the pooling.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum HeadStep {
    /// A layer of the class's own.
    Linear(LinearConfig),
    /// A Dense module.
    Dense(DenseConfig),
    Norm(NormConfig),
}

/// `f(x·Wᵀ + b)`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinearConfig {
    /// Name of the weight without `.weight`.
    pub name: &'static str,
    /// Whether the backbone's prefix stands before it in saves that have one.
    pub in_backbone: bool,
    pub rows: usize,
    pub columns: usize,
    pub bias: bool,
    pub activation: Activation,
}

/// A LayerNorm of the class's own, or a module.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NormConfig {
    /// File that holds a module's weights.
    pub file: Option<String>,
    /// Name of the weight without `.weight`.
    pub name: &'static str,
    pub size: usize,
    pub bias: bool,
    pub epsilon: f64,
}

/// `prompt`: whether something stands before each query.
pub(super) fn read(
    reading: &mut Reading<'_>,
    encoder: &EncoderConfig,
    tokenizer: &TokenizerConfig,
    prompt: bool,
) -> Result<HeadConfig> {
    let name = format!("{}config.json", reading.root);
    let config = reading.files.fields(&name)?;
    let config = config.expect("the backbone was read from it");
    let (pooling, steps) = match super::transformer::classifies(reading)? {
        true => class::read(&config, encoder, &mut reading.warnings)?,
        false => modules::read(reading, encoder.hidden_size(), prompt)?,
    };
    let activation = activation(reading, &config)?;
    Ok(HeadConfig { pooling, steps, activation, types: types(encoder, tokenizer)? })
}

/// BERT's classes alone have a table of types that a text can be of another than the first.
fn types(encoder: &EncoderConfig, tokenizer: &TokenizerConfig) -> Result<bool> {
    match encoder {
        EncoderConfig::Bert(bert) if bert.type_vocab_size.is_some_and(|types| types > 1) => {
            tokenizer.passes_types.ok_or_else(|| {
                let need = "of this tokenizer_class versions of transformers differ in whether a text's type is passed on";
                tokenizer.missing("model_input_names", need)
            })
        }
        _ => Ok(false),
    }
}

/// The function that makes a score.
fn activation(reading: &mut Reading<'_>, config: &Fields<'_>) -> Result<Activation> {
    const FIELD: &str = "activation_fn";
    if reading.files.get(MODULES).is_some() {
        let own = reading.files.fields(SENTENCE_TRANSFORMERS)?;
        let class = own.as_ref().map_or(Ok(None), |own| own.string(FIELD))?;
        if let Some((own, class)) = own.as_ref().zip(class) {
            return of_class(own, FIELD, class);
        }
    }
    // A field that is there and null ends the search, as in the library.
    if let Some(newer) = config.object("sentence_transformers")?.filter(|newer| newer.has(FIELD)) {
        if let Some(class) = newer.string(FIELD)? {
            return of_class(&newer, FIELD, class);
        }
    } else if let Some(class) = config.string("sbert_ce_default_activation_function")? {
        return of_class(config, "sbert_ce_default_activation_function", class);
    }
    reading.warnings.push(config.defaulted("sentence_transformers.activation_fn", "Sigmoid"));
    Ok(Activation::Sigmoid)
}

fn of_class(fields: &Fields<'_>, field: &str, class: &str) -> Result<Activation> {
    Activation::of_class(class)
        .ok_or_else(|| fields.unsupported(field, class, super::projection::FUNCTIONS))
}
