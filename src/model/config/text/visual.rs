//! How does a model of pages render a query? As its processor does: the prefix, the text, and ten tokens for the query to spread
//! over, all of which yield embeddings.
//!
//! Sources: `ColModernVBertProcessor` of transformers 5.24 and of colpali-engine 0.3.18, which sentence-transformers calls too.

use super::super::transformer::TransformerSettings;
use super::super::{Layout, Reading};
use super::{LowerCase, PageQueries, TextConfig, sentence_transformers};
use crate::error::{Error, Result};
use crate::model::checkpoint::{PROCESSOR, VisualClass};

const SUFFIX: &str = "<end_of_utterance>";
const SUFFIXES: usize = 10;
const IMAGE: &str = "<image>";

/// `tokenizer_length`: the most tokens where no setting of sentence-transformers says how many.
pub(super) fn read(
    reading: &mut Reading<'_>,
    settings: &TransformerSettings,
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
    let length = settings.max_seq_length.unwrap_or(tokenizer_length);
    let text = TextConfig {
        query_prefix: query_prefix(reading)? + &prompt,
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
            suffix: SUFFIX.repeat(SUFFIXES),
            image_token: Some(IMAGE.to_owned()),
            dropped_ids: Vec::new(),
        }),
    };
    sentence_transformers::with_mask(reading, text)
}

/// colpali-engine's class has none, whatever its files say; transformers' says it, or has none either.
fn query_prefix(reading: &Reading<'_>) -> Result<String> {
    let name = format!("{}{PROCESSOR}", reading.root);
    let own = reading.files.visual()? == Some(VisualClass::ColModernVBertForRetrieval);
    let config = reading.files.fields(&name)?.filter(|_| own);
    let prefix = config.as_ref().map_or(Ok(None), |config| config.string("query_prefix"))?;
    Ok(prefix.unwrap_or_default().to_owned())
}
