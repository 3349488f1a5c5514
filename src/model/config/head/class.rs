//! The heads of transformers' `…ForSequenceClassification`.

use super::{HeadStep, LinearConfig, NormConfig};
use crate::error::{Result, Warning};
use crate::model::checkpoint::{BertArchitecture, Fields};
use crate::model::config::backbone;
use crate::model::config::{
    Activation, BertConfig, EncoderConfig, MAX_HIDDEN, ModernBertConfig, PoolingMode,
};

/// What a class's configuration says where it says nothing of labels.
const LABELS: usize = 2;

/// What is pooled, and the steps behind it.
pub(super) fn read(
    config: &Fields<'_>,
    encoder: &EncoderConfig,
    warnings: &mut Vec<Warning>,
) -> Result<(PoolingMode, Vec<HeadStep>)> {
    check_labels(config)?;
    match encoder {
        EncoderConfig::Bert(bert) => Ok((PoolingMode::Cls, of_bert(config, bert)?)),
        EncoderConfig::ModernBert(bert) => of_modernbert(config, bert, warnings),
        EncoderConfig::Decoder(_) => {
            let hint = "in a model of pages it is";
            Err(config.unsupported("model_type", encoder.name(), hint))
        }
    }
}

/// One label is a score; of several each pair would get a row.
fn check_labels(config: &Fields<'_>) -> Result<()> {
    let (field, labels) = match config.object("id2label")? {
        Some(labels) => ("id2label", labels.names().count()),
        None => ("num_labels", config.count("num_labels", MAX_HIDDEN)?.unwrap_or(LABELS)),
    };
    match labels {
        1 => Ok(()),
        labels => {
            Err(config.unsupported(field, &format!("{labels} labels"), "one label, a score, is"))
        }
    }
}

fn of_bert(config: &Fields<'_>, bert: &BertConfig) -> Result<Vec<HeadStep>> {
    let hidden = bert.hidden_size;
    let square = |name, in_backbone, activation| {
        let (rows, columns) = (hidden, hidden);
        HeadStep::Linear(LinearConfig { name, in_backbone, rows, columns, bias: true, activation })
    };
    Ok(match bert.architecture {
        BertArchitecture::Bert => {
            vec![square("pooler.dense", true, Activation::Tanh), last("classifier", hidden)]
        }
        BertArchitecture::DistilBert => {
            vec![square("pre_classifier", false, Activation::Relu), last("classifier", hidden)]
        }
        BertArchitecture::Camembert | BertArchitecture::Roberta | BertArchitecture::XlmRoberta
            if !bert.positions.is_rotary() =>
        {
            vec![
                square("classifier.dense", false, Activation::Tanh),
                last("classifier.out_proj", hidden),
            ]
        }
        _ => {
            let value = format!("{} with rotary positions", bert.architecture.name());
            let hint = "cross-encoders of BERT, DistilBERT, RoBERTa, XLM-RoBERTa, CamemBERT and ModernBERT are";
            return Err(config.unsupported("model_type", &value, hint));
        }
    })
}

fn of_modernbert(
    config: &Fields<'_>,
    bert: &ModernBertConfig,
    warnings: &mut Vec<Warning>,
) -> Result<(PoolingMode, Vec<HeadStep>)> {
    const POOLING: &str = "classifier_pooling";
    let pooling = config.or_default(POOLING, config.string(POOLING)?, "cls", warnings)?;
    let pooling = match pooling {
        "cls" => PoolingMode::Cls,
        "mean" => PoolingMode::Mean,
        other => return Err(config.unsupported(POOLING, other, "cls and mean are")),
    };
    const BIAS: &str = "classifier_bias";
    let bias = config.or_default(BIAS, config.bool(BIAS)?, false, warnings)?;
    let activation = backbone::activation(config, "classifier_activation", warnings)?;
    let hidden = bert.hidden_size;
    let (name, rows, columns) = ("head.dense", hidden, hidden);
    let dense = LinearConfig { name, in_backbone: false, rows, columns, bias, activation };
    let norm = NormConfig {
        file: None,
        name: "head.norm",
        size: hidden,
        bias: bert.norm_bias,
        epsilon: bert.norm_eps,
    };
    Ok((pooling, vec![HeadStep::Linear(dense), HeadStep::Norm(norm), last("classifier", hidden)]))
}

/// The layer that gives the number.
fn last(name: &'static str, columns: usize) -> HeadStep {
    let activation = Activation::Identity;
    let (in_backbone, rows, bias) = (false, 1, true);
    HeadStep::Linear(LinearConfig { name, in_backbone, rows, columns, bias, activation })
}
