//! `sentence_bert_config.json`: how the Transformer module of a sentence-transformers or PyLate folder is called.

use super::{Layout, MAX_LENGTH, QueryExpansion, Reading, Strategy};
use crate::error::{Error, Result};
use crate::model::checkpoint::{Fields, MODULES};

const FILE: &str = "sentence_bert_config.json";
/// The fields that the module's constructor takes, under their names of today and of before.
const FIELDS: &[&str] = &[
    "backend",
    "config_args",
    "config_kwargs",
    "do_lower_case",
    "document_length",
    "max_seq_length",
    "modality_config",
    "model_args",
    "model_kwargs",
    "module_output_name",
    "processing_kwargs",
    "processor_kwargs",
    "query_expansion",
    "query_length",
    "tokenizer_args",
    "tokenizer_name_or_path",
    "transformer_task",
    "unpad_inputs",
];
/// Arguments of transformers' loaders that leave the numbers as they are, but for rounding.
const HARMLESS_ARGUMENTS: &[&str] =
    &["attn_implementation", "dtype", "torch_dtype", "trust_remote_code", "use_fast"];

/// What the file says about texts.
#[derive(Default)]
pub(super) struct TransformerSettings {
    /// Outranks the tokenizer's own limit.
    pub(super) max_seq_length: Option<usize>,
    pub(super) do_lower_case: bool,
    pub(super) query_length: Option<usize>,
    pub(super) document_length: Option<usize>,
    pub(super) query_expansion: Option<QueryExpansion>,
}

impl TransformerSettings {
    /// A field of the file that says what PyLate says in another.
    pub(super) fn length_field(&self) -> Option<&'static str> {
        let fields = [
            ("query_length", self.query_length.is_some()),
            ("document_length", self.document_length.is_some()),
            ("query_expansion", self.query_expansion.is_some()),
        ];
        fields.into_iter().find(|(_, there)| *there).map(|(field, _)| field)
    }

    /// Where no other field says a length, `max_seq_length` does, and needs as many positions.
    pub(super) fn check_max_seq_length(
        &self,
        reading: &Reading<'_>,
        positions: usize,
    ) -> Result<()> {
        let length = self.max_seq_length.filter(|&length| length > positions);
        let expansion = self.query_expansion.as_ref();
        let fixed = expansion.is_some_and(|expansion| expansion.strategy == Strategy::Fixed);
        let query = self.query_length.is_some() || fixed;
        match length {
            Some(length) if !query || self.document_length.is_none() => Err(Error::InvalidField {
                file: format!("{}{FILE}", reading.root),
                field: "max_seq_length".to_owned(),
                reason: format!(
                    "is {length}, more than the {positions} tokens that max_position_embeddings of config.json leaves"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Nothing is said where there is no file.
    pub(super) fn read(reading: &mut Reading<'_>, layout: Layout) -> Result<Self> {
        let name = format!("{}{FILE}", reading.root);
        let Some(config) = reading.files.fields(&name)? else {
            if reading.files.get(MODULES).is_some() {
                reading.defaulted_file(&name, "the defaults of all that it says");
            }
            return Ok(Self::default());
        };
        config.warn_of_unknown(FIELDS, &mut reading.warnings);
        let call = match layout {
            Layout::CrossEncoder if classifies(reading)? => Call::Classify,
            Layout::Visual => Call::Retrieve,
            _ => Call::Extract,
        };
        refuse_other_calls(&config, call)?;
        let length = |field| config.count(field, MAX_LENGTH);
        let settings = Self {
            max_seq_length: config.count("max_seq_length", 1_000_000)?,
            do_lower_case: config.bool("do_lower_case")?.unwrap_or(false),
            query_length: length("query_length")?,
            document_length: length("document_length")?,
            query_expansion: query_expansion(&config)?,
        };
        match (settings.query_length, &settings.query_expansion) {
            (Some(query), Some(expansion)) if query < expansion.length => Err(config.invalid(
                "query_length",
                &format!("is {query}, less than query_expansion.length {}", expansion.length),
            )),
            _ => Ok(settings),
        }
    }
}

/// Task of a Transformer that has the head of its class.
const CLASSIFICATION: &str = "sequence-classification";

/// Whether a cross-encoder's head is that of its class, and not one of modules.
pub(super) fn classifies(reading: &Reading<'_>) -> Result<bool> {
    if reading.files.get(MODULES).is_none() {
        return Ok(true);
    }
    let name = format!("{}{FILE}", reading.root);
    let config = reading.files.fields(&name)?;
    let task = config.as_ref().map_or(Ok(None), |config| config.string("transformer_task"))?;
    Ok(task == Some(CLASSIFICATION))
}

/// What the module's class of transformers gives.
#[derive(Clone, Copy)]
enum Call {
    /// The last hidden states.
    Extract,
    /// What the head of its class for sequences makes of them.
    Classify,
    /// What the head of its class for pages makes of them.
    Retrieve,
}

impl Call {
    /// The task, what the module calls the outcome, and what transformers does.
    fn names(self) -> [&'static str; 3] {
        match self {
            Call::Extract => ["feature-extraction", "token_embeddings", "last_hidden_state"],
            Call::Classify => [CLASSIFICATION, "scores", "logits"],
            Call::Retrieve => ["retrieval", "token_embeddings", "embeddings"],
        }
    }

    fn hints(self) -> [&'static str; 3] {
        match self {
            Call::Extract => [
                "feature-extraction is",
                "token_embeddings is",
                "last_hidden_state of forward for text is, without a chat template",
            ],
            Call::Classify => [
                "sequence-classification is",
                "scores is",
                "logits of forward for text is, without a chat template",
            ],
            Call::Retrieve => [
                "retrieval is",
                "token_embeddings is",
                "embeddings of forward for text is, without a chat template",
            ],
        }
    }
}

/// Settings under which the module computes something else than `call` of the text's own tokens.
fn refuse_other_calls(config: &Fields<'_>, call: Call) -> Result<()> {
    let ([task, outcome, output], [of_task, of_outcome, of_output]) = (call.names(), call.hints());
    for (field, taken, hint) in [
        ("transformer_task", task, of_task),
        ("module_output_name", outcome, of_outcome),
        ("tokenizer_name_or_path", "", "the folder's own tokenizer is"),
    ] {
        match config.string(field)? {
            Some(value) if value != taken => return Err(config.unsupported(field, value, hint)),
            _ => {}
        }
    }
    refuse_arguments(config)?;
    let Some(modalities) = config.object("modality_config")? else {
        return Ok(());
    };
    let text = modalities.object("text")?;
    let text = modalities.required("text", text)?;
    let called = [text.string("method")?, text.string("method_output_name")?];
    match (called, modalities.has("message")) {
        ([Some("forward"), Some(found)], false) if found == output => Ok(()),
        ([method, found], _) => {
            let found = found.or(method).unwrap_or_default();
            Err(config.unsupported("modality_config", found, of_output))
        }
    }
}

/// Arguments that are handed to the model, its configuration or its tokenizer.
fn refuse_arguments(config: &Fields<'_>) -> Result<()> {
    for field in [
        "config_args",
        "config_kwargs",
        "model_args",
        "model_kwargs",
        "processing_kwargs",
        "processor_kwargs",
        "tokenizer_args",
    ] {
        let Some(arguments) = config.object(field)? else {
            continue;
        };
        if let Some(name) = arguments.names().find(|name| !HARMLESS_ARGUMENTS.contains(name)) {
            return Err(config.unsupported(field, name, "the folder's other files are to say it"));
        }
    }
    Ok(())
}

fn query_expansion(config: &Fields<'_>) -> Result<Option<QueryExpansion>> {
    let Some(expansion) = config.object("query_expansion")? else {
        return Ok(None);
    };
    if let Some(name) =
        expansion.names().find(|name| !["strategy", "attend", "token", "length"].contains(name))
    {
        return Err(config.unsupported("query_expansion", name, "it has no such field"));
    }
    let strategy = match expansion.required("strategy", expansion.string("strategy")?)? {
        "fixed" => Strategy::Fixed,
        "min" => Strategy::Min,
        other => return Err(expansion.unsupported("strategy", other, "fixed and min are")),
    };
    let length = expansion.count("length", MAX_LENGTH)?;
    Ok(Some(QueryExpansion {
        strategy,
        length: expansion.required("length", length)?,
        token: expansion.string("token")?.map(str::to_owned),
        attend: expansion.bool("attend")?.unwrap_or(false),
    }))
}
