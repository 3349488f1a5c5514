//! How does a model of pages render a query? As its processor does: the prefix, the text, and ten tokens for the query to spread
//! over, all of which yield embeddings.
//!
//! | class | before the text | behind it |
//! | --- | --- | --- |
//! | `ColModernVBert…` | | 10 × `<end_of_utterance>` |
//! | `ColPaliForRetrieval` | `<bos>`, `query_prefix`, or `Question: ` | 10 × the padding token, a line's end |
//! | `ColPali` | `<bos>` | 10 × the padding token |
//! | `ColQwen2ForRetrieval` | `query_prefix`, or `Query: ` | 10 × the padding token, a line's end |
//! | `ColQwen2` | | 10 × the token of a text's end |
//!
//! The padding tokens are attended to. ColPali's processors have the tokenizer put nothing round a text.
//!
//! Sources: the processors of these classes in transformers 5.24 and in colpali-engine 0.3.18, which sentence-transformers calls too.

use super::super::transformer::TransformerSettings;
use super::super::{Layout, Reading, TokenizerConfig};
use super::{LowerCase, PageQueries, TextConfig, sentence_transformers};
use crate::error::{Error, Result};
use crate::model::checkpoint::{PROCESSOR, VisualClass, VisualModel};

const UTTERANCE: &str = "<end_of_utterance>";
const END: &str = "<|endoftext|>";
const SUFFIXES: usize = 10;
const IMAGE: &str = "<image>";
const IMAGE_PAD: &str = "<|image_pad|>";

/// `tokenizer_length`: the most tokens where no setting of sentence-transformers says how many.
pub(super) fn read(
    reading: &mut Reading<'_>,
    settings: &TransformerSettings,
    tokenizer: &TokenizerConfig,
    tokenizer_length: usize,
) -> Result<TextConfig> {
    let [prompt, document_prefix] = sentence_transformers::prompts(reading, Layout::Visual)?;
    if settings.query_expansion.is_some() {
        return Err(Error::Unsupported {
            file: format!("{}sentence_bert_config.json", reading.root),
            field: "query_expansion".to_owned(),
            value: "a value".to_owned(),
            hint: "of a model of pages null is",
        });
    }
    let class = reading.files.visual()?.expect("the layout is that of such a model");
    let length = settings.max_seq_length.unwrap_or(tokenizer_length);
    let text = TextConfig {
        query_prefix: query_prefix(reading, class, tokenizer)? + &prompt,
        document_prefix,
        prefixes_are_tokens: false,
        strip: false,
        lower_case: if settings.do_lower_case { LowerCase::Normalizer } else { LowerCase::No },
        query_length: settings.query_length.unwrap_or(length),
        document_length: settings.document_length.unwrap_or(length),
        query_expansion: None,
        skiplist_words: Vec::new(),
        skiplist_queries: false,
        skiplist_documents: false,
        pages: Some(PageQueries {
            suffix: suffix(class, tokenizer),
            image_token: Some(image_token(class).to_owned()),
            dropped_ids: Vec::new(),
            bare: class.model() == VisualModel::ColPali,
        }),
    };
    sentence_transformers::with_mask(reading, text)
}

/// colpali-engine's classes have none, whatever their files say; transformers' say it, or have their own.
fn query_prefix(
    reading: &Reading<'_>,
    class: VisualClass,
    tokenizer: &TokenizerConfig,
) -> Result<String> {
    let name = format!("{}{PROCESSOR}", reading.root);
    let config = reading.files.fields(&name)?.filter(|_| class.is_of_transformers());
    let said = config.as_ref().map_or(Ok(None), |config| config.string("query_prefix"))?;
    let said = said.filter(|said| class.model() != VisualModel::ColQwen2 || !said.is_empty());
    let own = match class {
        VisualClass::ColPaliForRetrieval => "Question: ",
        VisualClass::ColQwen2ForRetrieval => "Query: ",
        _ => "",
    };
    let prefix = said.unwrap_or(own);
    Ok(match class.model() {
        VisualModel::ColPali => format!("{}{prefix}", special(tokenizer, "bos_token", "<bos>")),
        _ => prefix.to_owned(),
    })
}

fn suffix(class: VisualClass, tokenizer: &TokenizerConfig) -> String {
    let (token, end) = match class {
        VisualClass::ColModernVBertForRetrieval | VisualClass::ColModernVBert => (UTTERANCE, ""),
        VisualClass::ColPaliForRetrieval => (special(tokenizer, "pad_token", "<pad>"), "\n"),
        VisualClass::ColPali => (special(tokenizer, "pad_token", "<pad>"), ""),
        VisualClass::ColQwen2ForRetrieval => (special(tokenizer, "pad_token", END), "\n"),
        VisualClass::ColQwen2 => (END, ""),
    };
    token.repeat(SUFFIXES) + end
}

fn image_token(class: VisualClass) -> &'static str {
    match class.model() {
        VisualModel::ColModernVBert | VisualModel::ColPali => IMAGE,
        VisualModel::ColQwen2 => IMAGE_PAD,
    }
}

fn special<'t>(tokenizer: &'t TokenizerConfig, name: &str, own: &'t str) -> &'t str {
    tokenizer.special_tokens.get(name).unwrap_or(own)
}
