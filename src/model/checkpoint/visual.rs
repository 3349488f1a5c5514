//! Does a `config.json` describe a model that compares queries with pages, and which part of it says what reads its queries?
//!
//! | class | `model_type` | the text backbone's settings | projection |
//! | --- | --- | --- | --- |
//! | `ColModernVBertForRetrieval` of transformers | `colmodernvbert` | `vlm_config.text_config` | `embedding_proj_layer` |
//! | `ColModernVBert` of colpali-engine | `modernvbert` | `text_config` | `custom_text_proj` |
//! | `ColPaliForRetrieval` of transformers | `colpali` | `vlm_config.text_config` | `embedding_proj_layer` |
//! | `ColPali` of colpali-engine | `paligemma` | `text_config` | `custom_text_proj` |
//! | `ColQwen2ForRetrieval` of transformers | `colqwen2` | `vlm_config.text_config` | `embedding_proj_layer` |
//! | `ColQwen2` of colpali-engine | `qwen2_vl` | `text_config`, or the whole file | `custom_text_proj` |
//!
//! Sources: `ColModernVBertConfig`, `ModernVBertConfig` and their models in transformers 5.24 and colpali-engine 0.3.18.

use serde_json::{Value, json};

use super::Fields;
use crate::error::Result;

/// The backbones whose settings colpali-engine leaves in the repository that `text_model_name` names: all of them have these, and
/// heads of 64.
const ETTIN: &str = "ettin-encoder-";
const HEAD: u64 = 64;
const ADDED_ROWS: &str = "additional_vocab_size";
/// The part of a save that is the text backbone.
const TOWER: &str = "text_model.";

/// A model of pages, by its `config.json`.
pub(crate) struct Visual<'a> {
    pub(crate) class: VisualClass,
    /// The settings of all its parts, of which the text backbone is one.
    pub(crate) whole: Fields<'a>,
    /// The text backbone's own settings.
    pub(crate) text: Fields<'a>,
}

/// Who saved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VisualClass {
    /// transformers' own class.
    ColModernVBertForRetrieval,
    /// colpali-engine's.
    ColModernVBert,
    ColPaliForRetrieval,
    ColPali,
    ColQwen2ForRetrieval,
    ColQwen2,
}

/// What it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VisualModel {
    ColModernVBert,
    ColPali,
    ColQwen2,
}

impl VisualClass {
    /// The projection, by its name among the weights.
    pub(crate) fn projection(self) -> &'static str {
        match self.is_of_transformers() {
            true => "embedding_proj_layer",
            false => "custom_text_proj",
        }
    }

    /// What stands right before the text backbone's own names.
    pub(crate) fn tower(self) -> &'static str {
        match self {
            VisualClass::ColModernVBertForRetrieval | VisualClass::ColModernVBert => TOWER,
            // No other part has a vocabulary table of this name, and before it versions put different parts.
            _ => "",
        }
    }

    /// Whether transformers' own class has saved it, not colpali-engine's.
    pub(crate) fn is_of_transformers(self) -> bool {
        matches!(
            self,
            VisualClass::ColModernVBertForRetrieval
                | VisualClass::ColPaliForRetrieval
                | VisualClass::ColQwen2ForRetrieval
        )
    }

    /// What it computes.
    pub(crate) fn model(self) -> VisualModel {
        match self {
            VisualClass::ColModernVBertForRetrieval | VisualClass::ColModernVBert => {
                VisualModel::ColModernVBert
            }
            VisualClass::ColPaliForRetrieval | VisualClass::ColPali => VisualModel::ColPali,
            VisualClass::ColQwen2ForRetrieval | VisualClass::ColQwen2 => VisualModel::ColQwen2,
        }
    }
}

impl<'a> Visual<'a> {
    /// `None`: no such model.
    ///
    /// # Errors
    /// A model of pages whose text backbone is not described, or is none that is computed.
    pub(crate) fn of(config: &Fields<'a>) -> Result<Option<Self>> {
        Ok(match config.string("model_type")? {
            Some("colmodernvbert") => {
                let class = VisualClass::ColModernVBertForRetrieval;
                Some(of_transformers(config, class, "modernvbert")?)
            }
            Some("colpali") => {
                Some(of_transformers(config, VisualClass::ColPaliForRetrieval, "paligemma")?)
            }
            Some("colqwen2") => {
                Some(of_transformers(config, VisualClass::ColQwen2ForRetrieval, "qwen2_vl")?)
            }
            Some("modernvbert") => {
                Some(of_colpali_engine(config, VisualClass::ColModernVBert, "ColModernVBert")?)
            }
            Some("paligemma") => Some(of_colpali_engine(config, VisualClass::ColPali, "ColPali")?),
            Some("qwen2_vl") => Some(of_colpali_engine(config, VisualClass::ColQwen2, "ColQwen2")?),
            _ => None,
        })
    }
}

fn of_transformers<'a>(
    config: &Fields<'a>,
    class: VisualClass,
    whole_type: &'static str,
) -> Result<Visual<'a>> {
    let whole = config.required("vlm_config", config.object("vlm_config")?)?;
    match whole.string("model_type")? {
        Some(own) if own == whole_type => {}
        other => {
            let other = other.unwrap_or("(none)");
            return Err(whole.unsupported(
                "model_type",
                other,
                "modernvbert, paligemma and qwen2_vl are, each in its class",
            ));
        }
    }
    let text = text_of(&whole, class)?;
    Ok(Visual { class, whole, text })
}

fn of_colpali_engine<'a>(
    config: &Fields<'a>,
    class: VisualClass,
    name: &str,
) -> Result<Visual<'a>> {
    let classes = config.strings("architectures")?.unwrap_or_default();
    if !classes.iter().any(|class| class == name) {
        let hint = "ColModernVBert, ColPali and ColQwen2 are, which have a projection, each with its model_type";
        return Err(config.unsupported("architectures", &classes.join(", "), hint));
    }
    let text = text_of(config, class)?;
    let text = match text.string("model_type")? {
        Some("modernvbert_text") => with_base(text)?,
        _ => text,
    };
    // The rows of its tokens for pictures may lie apart.
    let text = match config.value(ADDED_ROWS) {
        Some(rows) => text.with_defaults(vec![(ADDED_ROWS, rows.clone())]),
        None => text,
    };
    Ok(Visual { class, whole: config.clone(), text })
}

/// The text backbone's settings; before transformers 4.52 those of Qwen2-VL stood among the others.
fn text_of<'a>(whole: &Fields<'a>, class: VisualClass) -> Result<Fields<'a>> {
    match whole.object("text_config")? {
        None if class.model() == VisualModel::ColQwen2 && whole.has("num_hidden_layers") => {
            Ok(whole.clone())
        }
        text => whole.required("text_config", text),
    }
}

/// colpali-engine's own class of settings says a part of them, and names a repository for the rest.
fn with_base(text: Fields<'_>) -> Result<Fields<'_>> {
    let mut rest = Vec::new();
    let base = text.string("text_model_name")?.unwrap_or_default();
    let ettin = base.rsplit('/').next().is_some_and(|name| name.starts_with(ETTIN));
    let has_bases = text.has("rope_parameters");
    if ettin {
        let hidden = text.value("hidden_size").and_then(Value::as_u64).unwrap_or(0);
        rest.extend([
            ("num_attention_heads", json!(hidden / HEAD)),
            ("max_position_embeddings", json!(7_999)),
            ("norm_eps", json!(1e-5)),
        ]);
    }
    if ettin && !has_bases {
        rest.extend([
            ("global_rope_theta", json!(160_000.0)),
            ("local_rope_theta", json!(160_000.0)),
        ]);
    }
    let needed = ["num_attention_heads", "norm_eps", "local_rope_theta"];
    let needed = &needed[..if has_bases { 2 } else { 3 }];
    match needed.iter().find(|field| !ettin && !text.has(field)) {
        Some(field) => {
            Err(text.invalid(field, "is missing, and text_model_name names no Ettin encoder"))
        }
        None => Ok(text.with("model_type", json!("modernbert")).with_defaults(rest)),
    }
}
