//! What do the architectures' files say alike?

use serde_json::{Map, Value};

use super::Activation;
use crate::error::{Result, Warning};
use crate::model::checkpoint::Fields;

/// Refuses settings under which the same weights compute something else in any architecture.
pub(super) fn refuse_variants(config: &Fields<'_>) -> Result<()> {
    for field in ["is_decoder", "is_causal", "add_cross_attention", "is_encoder_decoder"] {
        if config.bool(field)? == Some(true) {
            return Err(config.unsupported(field, "true", "false is"));
        }
    }
    // Heads or weights of another number, layers that differ, weights of another form.
    for field in ["embedding_size", "per_layer_config", "pruned_heads", "quantization_config"] {
        let none = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        if config.value(field).is_some_and(|value| !none(value)) {
            return Err(config.unsupported(field, "a value", "null is"));
        }
    }
    Ok(())
}

/// Heads share the hidden states' columns; each of the two with its field's name.
pub(super) fn check_heads(
    config: &Fields<'_>,
    (width, hidden): (&str, usize),
    (field, heads): (&str, usize),
) -> Result<()> {
    match hidden.is_multiple_of(heads) {
        true => Ok(()),
        false => {
            Err(config.invalid(field, &format!("is {heads}; it must divide {width} {hidden}")))
        }
    }
}

/// What a LayerNorm adds to the variance.
pub(super) fn epsilon(
    config: &Fields<'_>,
    field: &str,
    default: f64,
    warnings: &mut Vec<Warning>,
) -> Result<f64> {
    let epsilon = config.or_default(field, config.float(field)?, default, warnings)?;
    match epsilon > 0.0 && epsilon < 1.0 {
        true => Ok(epsilon),
        false => Err(config.invalid(field, "is not between 0 and 1")),
    }
}

/// The function of the feed-forward layers; exact GELU in all classes where the file is silent.
pub(super) fn activation(
    config: &Fields<'_>,
    field: &str,
    warnings: &mut Vec<Warning>,
) -> Result<Activation> {
    let name = config.or_default(field, config.string(field)?, "gelu", warnings)?;
    Activation::named(name).ok_or_else(|| {
        config.unsupported(
            field,
            name,
            "the functions of transformers that have no weights of their own are",
        )
    })
}
