//! The text side of a language model that reads pages: `text_config` of ColPali's PaliGemma and of ColQwen2's Qwen2-VL.
//!
//! | | Gemma | Qwen2-VL |
//! | --- | --- | --- |
//! | attends to | all tokens, as PaliGemma's do | those in front |
//! | biases | none | of query, key and value |
//! | norms multiply by | 1 + weight | weight |
//! | embeddings are multiplied by | the root of their width | |
//! | a token's place | one number | time, row and column, each for some of a head's pairs |
//!
//! Where a file is silent, the defaults of transformers' classes are taken: those of `PaliGemmaConfig` for Gemma, of
//! `Qwen2VLTextConfig` for the other.

mod rope;
mod tensors;

use serde::Serialize;

use super::backbone::{epsilon, refuse_variants};
use super::{Activation, MAX_HIDDEN, MAX_LAYERS, MAX_LENGTH, MAX_VOCABULARY};
use crate::error::{Result, Warning};
use crate::model::checkpoint::{DecoderArchitecture, Fields};
pub(crate) use tensors::EMBEDDINGS;

/// Most positions that a file may claim: see [`MAX_LENGTH`].
const MAX_POSITIONS: usize = 1 << 20;

/// Fields of `transformers`' `GemmaConfig` and `Qwen2VLTextConfig` that change numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecoderConfig {
    pub architecture: DecoderArchitecture,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub num_key_value_heads: usize,
    pub head_dim: usize,
    pub intermediate_size: usize,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    pub rms_norm_eps: f64,
    pub hidden_act: Activation,
    pub rope_theta: f64,
    /// How many of a head's pairs turn by a token's time, row and column; none where a place is one number.
    pub mrope_section: Option<[usize; 3]>,
}

/// What a class takes where a file says nothing.
struct Defaults {
    sizes: [(&'static str, usize); 7],
    eps: f64,
    act: &'static str,
    theta: f64,
}

const GEMMA: Defaults = Defaults {
    sizes: [
        ("hidden_size", 2_048),
        ("num_hidden_layers", 18),
        ("num_attention_heads", 8),
        ("num_key_value_heads", 1),
        ("intermediate_size", 16_384),
        ("vocab_size", 257_152),
        ("max_position_embeddings", 8_192),
    ],
    eps: 1e-6,
    act: "gelu_pytorch_tanh",
    theta: 1e4,
};
const GEMMA_HEAD: usize = 256;

const QWEN2: Defaults = Defaults {
    sizes: [
        ("hidden_size", 8_192),
        ("num_hidden_layers", 80),
        ("num_attention_heads", 64),
        ("num_key_value_heads", 8),
        ("intermediate_size", 29_568),
        ("vocab_size", 152_064),
        ("max_position_embeddings", 32_768),
    ],
    eps: 1e-5,
    act: "silu",
    theta: 1e6,
};

/// Most of each of [`Defaults::sizes`].
const LIMITS: [usize; 7] =
    [MAX_HIDDEN, MAX_LAYERS, MAX_HIDDEN, MAX_HIDDEN, 4 * MAX_HIDDEN, MAX_VOCABULARY, MAX_POSITIONS];

impl DecoderConfig {
    /// # Errors
    /// A field that is null, out of range, contradicts another or asks for another architecture.
    pub(crate) fn read(
        config: &Fields<'_>,
        architecture: DecoderArchitecture,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self> {
        refuse_variants(config)?;
        refuse_other_attention(config, architecture)?;
        let defaults = match architecture {
            DecoderArchitecture::Gemma => GEMMA,
            DecoderArchitecture::Qwen2Vl => QWEN2,
        };
        let mut sizes = [0; 7];
        for ((size, limit), (field, default)) in sizes.iter_mut().zip(LIMITS).zip(defaults.sizes) {
            let found = config.count(field, limit)?;
            // Both classes take `null` heads of keys for as many as there are of queries.
            *size = match found {
                None if field == "num_key_value_heads" && config.has(field) => usize::MAX,
                found => config.or_default(field, found, default, warnings)?,
            };
        }
        let [
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            keys,
            intermediate_size,
            rest @ ..,
        ] = sizes;
        let [vocab_size, max_position_embeddings] = rest;
        let num_key_value_heads = keys.min(num_attention_heads);
        check_heads(config, hidden_size, num_attention_heads, num_key_value_heads, architecture)?;
        let head_dim = head_dim(config, architecture, hidden_size / num_attention_heads, warnings)?;
        Ok(Self {
            architecture,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            intermediate_size,
            vocab_size,
            max_position_embeddings,
            rms_norm_eps: epsilon(config, "rms_norm_eps", defaults.eps, warnings)?,
            hidden_act: activation(config, architecture, defaults.act, warnings)?,
            rope_theta: rope::theta(config, defaults.theta, warnings)?,
            mrope_section: match architecture {
                DecoderArchitecture::Gemma => None,
                DecoderArchitecture::Qwen2Vl => Some(rope::section(config, head_dim / 2)?),
            },
        })
    }

    /// Longest text that is computed.
    pub fn max_length(&self) -> usize {
        self.max_position_embeddings.min(MAX_LENGTH)
    }

    /// Whether tokens behind a token are not attended to.
    pub fn is_causal(&self) -> bool {
        self.architecture == DecoderArchitecture::Qwen2Vl
    }

    /// What rows of the vocabulary table are multiplied by.
    pub fn embedding_factor(&self) -> f64 {
        match self.architecture {
            DecoderArchitecture::Gemma => (self.hidden_size as f64).sqrt(),
            DecoderArchitecture::Qwen2Vl => 1.0,
        }
    }

    /// What is added to the weights of norms.
    pub fn norm_offset(&self) -> f32 {
        match self.architecture {
            DecoderArchitecture::Gemma => 1.0,
            DecoderArchitecture::Qwen2Vl => 0.0,
        }
    }

    /// Which number of a token's place, of three, turns each pair of a head's values.
    pub(crate) fn axes(&self) -> Vec<usize> {
        let section = self.mrope_section.unwrap_or([self.head_dim / 2, 0, 0]);
        (0..3).flat_map(|number| std::iter::repeat_n(number, section[number])).collect()
    }
}

fn check_heads(
    config: &Fields<'_>,
    hidden: usize,
    heads: usize,
    keys: usize,
    architecture: DecoderArchitecture,
) -> Result<()> {
    if !heads.is_multiple_of(keys) {
        let reason = format!("is {keys}; it must divide num_attention_heads {heads}");
        return Err(config.invalid("num_key_value_heads", &reason));
    }
    // Gemma's heads have a width of their own.
    if architecture == DecoderArchitecture::Qwen2Vl && !hidden.is_multiple_of(heads) {
        let reason = format!("is {heads}; it must divide hidden_size {hidden}");
        return Err(config.invalid("num_attention_heads", &reason));
    }
    Ok(())
}

/// Gemma says it, Qwen2-VL's class has no such field.
fn head_dim(
    config: &Fields<'_>,
    architecture: DecoderArchitecture,
    shared: usize,
    warnings: &mut Vec<Warning>,
) -> Result<usize> {
    let field = "head_dim";
    let own = config.count(field, MAX_HIDDEN)?;
    let width = match architecture {
        DecoderArchitecture::Gemma => config.or_default(field, own, GEMMA_HEAD, warnings)?,
        DecoderArchitecture::Qwen2Vl => own.unwrap_or(shared),
    };
    match (architecture, width.is_multiple_of(2)) {
        (_, false) => Err(config.invalid(field, &format!("makes heads of an odd width, {width}"))),
        (DecoderArchitecture::Qwen2Vl, true) if width != shared => {
            let reason = format!("is {width}; hidden_size and num_attention_heads make {shared}");
            Err(config.invalid(field, &reason))
        }
        (_, true) => Ok(width),
    }
}

/// transformers takes Gemma's old `gelu` for the approximation that those models were trained with.
fn activation(
    config: &Fields<'_>,
    architecture: DecoderArchitecture,
    default: &'static str,
    warnings: &mut Vec<Warning>,
) -> Result<Activation> {
    let field = "hidden_act";
    let name = config.or_default(field, config.string(field)?, default, warnings)?;
    let gemma = architecture == DecoderArchitecture::Gemma;
    let name = if gemma && name == "gelu" { default } else { name };
    if let Some(other) = config.string("hidden_activation")?.filter(|&other| other != name) {
        let hint = "what hidden_act says is";
        return Err(config.unsupported("hidden_activation", other, hint));
    }
    Activation::named(name).ok_or_else(|| {
        let hint = "the functions of transformers that have no weights of their own are";
        config.unsupported(field, name, hint)
    })
}

fn refuse_other_attention(config: &Fields<'_>, architecture: DecoderArchitecture) -> Result<()> {
    let refused = [
        ("use_bidirectional_attention", false, "true is, as in PaliGemma"),
        ("attention_bias", true, "false is"),
        ("use_sliding_window", true, "false is"),
    ];
    for (field, value, hint) in refused {
        if config.bool(field)? == Some(value) {
            let value = if value { "true" } else { "false" };
            return Err(config.unsupported(field, value, hint));
        }
    }
    if architecture == DecoderArchitecture::Qwen2Vl
        && config.bool("use_bidirectional_attention")? == Some(true)
    {
        return Err(config.unsupported("use_bidirectional_attention", "true", "false is"));
    }
    let types = config.strings("layer_types")?.unwrap_or_default();
    match types.iter().find(|kind| *kind != "full_attention") {
        Some(other) => Err(config.unsupported("layer_types", other, "full_attention is")),
        None => Ok(()),
    }
}
