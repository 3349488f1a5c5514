//! Which tensors show that a checkpoint is not what it is taken for? Of others that nothing reads, such as heads for other tasks,
//! transformers says nothing either.

use super::{EncoderConfig, Layout, STANFORD_PROJECTION};
use crate::error::{Error, Result};
use crate::model::checkpoint::{CheckpointFiles, MODULES, Weights};

/// A bundle has no tensors but its model's.
///
/// # Errors
/// [`Error::Unsupported`], [`Error::InvalidField`], and those of [`Weights::open`].
pub(super) fn refuse(
    files: &CheckpointFiles,
    layout: Layout,
    encoder: &EncoderConfig,
) -> Result<()> {
    if files.manifest().is_some() {
        return Ok(());
    }
    // Weights that are not there are missed where they are read: settings can be looked at without.
    let Ok(names) = files.backbone_files() else {
        return Ok(());
    };
    let weights = Weights::open(files, &names)?;
    refuse_second_body(&weights, &names[0], encoder)?;
    for tensor in weights.tensors() {
        if let Some(hint) = of_adapter(&tensor.name) {
            return Err(Error::Unsupported {
                file: names[0].clone(),
                field: "the tensor".to_owned(),
                value: tensor.name,
                hint,
            });
        }
        if layout == Layout::Plain && tensor.name == STANFORD_PROJECTION {
            return Err(not_plain(files));
        }
    }
    Ok(())
}

/// A backbone with the prefix of a save of a model with a head, and one without: of two transformers takes either.
fn refuse_second_body(weights: &Weights<'_>, file: &str, encoder: &EncoderConfig) -> Result<()> {
    let (prefix, table) = encoder.prefix();
    let prefixed = format!("{prefix}{table}");
    // What stands before the names of a model of pages is found out, and there must be one.
    match !prefix.is_empty() && weights.contains(table) && weights.contains(&prefixed) {
        false => Ok(()),
        true => Err(Error::InvalidField {
            file: file.to_owned(),
            field: format!("tensor {table}"),
            reason: format!("is there beside {prefixed}: these are the weights of two backbones"),
        }),
    }
}

/// What to do with a tensor that has one of the names that peft gives, or PyTorch where Jina's code adapts a weight.
fn of_adapter(name: &str) -> Option<&'static str> {
    let has = |start: &str| name.split('.').any(|part| part.starts_with(start));
    match (has("parametrizations"), has("lora_")) {
        (true, _) => Some(
            "weights without the adapters that Jina's code chooses by task are, such as jina-colbert-v2's",
        ),
        (_, true) => {
            Some("merge the adapter into its base model (`merge_and_unload` of peft) and save that")
        }
        _ => None,
    }
}

/// The projection of Stanford's ColBERT in a folder that does not say that it is one.
fn not_plain(files: &CheckpointFiles) -> Error {
    let (file, field, says) = match files.get(MODULES) {
        Some(_) => (MODULES, "the list", "has no module for"),
        None => ("config.json", "architectures", "is not [\"HF_ColBERT\"], in spite of"),
    };
    Error::InvalidField {
        file: file.to_owned(),
        field: field.to_owned(),
        reason: format!(
            "{says} {STANFORD_PROJECTION} among the weights; that is the projection of Stanford's ColBERT, whose folder has \
             architectures [\"HF_ColBERT\"], artifact.metadata and no modules.json"
        ),
    }
}
