//! Normalizers and pre-tokenizers: what is done to a text before its words are looked up.

mod charsmap;
mod normalizers;
mod patterns;
mod pre_tokenizers;

use serde_json::Value;
use tokenizers::normalizers::{Lowercase, Sequence as Normalizers};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

use super::{FILE, unsupported};
use crate::error::Result;
use crate::model::checkpoint::Fields;
use crate::model::config::{LowerCase, ModelConfig, TokenizerClass};

/// Most components of a list.
const MOST: usize = 16;

/// The two components; `BertTokenizer` and `RobertaTokenizer` have their own.
pub(super) fn read(
    parts: &Fields<'_>,
    config: &ModelConfig,
) -> Result<(Option<NormalizerWrapper>, Option<PreTokenizerWrapper>)> {
    let (mut normalizers, pre_tokenizers) = match &config.tokenizer.class {
        TokenizerClass::Bert(switches) => {
            (vec![normalizers::bert(switches)], vec![BertPreTokenizer.into()])
        }
        TokenizerClass::Roberta(switches) => {
            (Vec::new(), vec![ByteLevel::new(switches.add_prefix_space, true, true).into()])
        }
        TokenizerClass::General => own(parts, config)?,
    };
    let lower_cases = normalizers.iter().any(normalizers::lower_cases);
    if config.text.lower_case == LowerCase::Normalizer && !lower_cases {
        normalizers.insert(0, Lowercase.into());
    }
    let normalizer = one(normalizers, |list| Normalizers::new(list).into());
    Ok((normalizer, one(pre_tokenizers, |list| PreTokenizers::new(list).into())))
}

/// The file's own.
fn own(
    parts: &Fields<'_>,
    config: &ModelConfig,
) -> Result<(Vec<NormalizerWrapper>, Vec<PreTokenizerWrapper>)> {
    let mut growth = normalizers::Growth::default();
    let normalizers = list(parts, "normalizer", "normalizers", |fields, field| {
        normalizers::read(fields, field, &mut growth)
    })?;
    let pre_tokenizers = list(parts, "pre_tokenizer", "pretokenizers", pre_tokenizers::read)?;
    let prefixes = config.text.query_prefix.len() + config.text.document_prefix.len() > 0;
    if prefixes && pre_tokenizers.iter().any(looks_at_the_start) {
        let hint = "always and never are, where texts have prefixes";
        return Err(parts.unsupported("pre_tokenizer.prepend_scheme", "first", hint));
    }
    Ok((normalizers, pre_tokenizers))
}

/// Whether a text's first word is another one behind a prefix: the libraries differ in whether they put that before the text
/// or before its tokens.
fn looks_at_the_start(pre_tokenizer: &PreTokenizerWrapper) -> bool {
    match pre_tokenizer {
        PreTokenizerWrapper::Metaspace(metaspace) => {
            metaspace.get_prepend_scheme() == PrependScheme::First
        }
        _ => false,
    }
}

/// What a list of components comes to.
fn one<T>(mut list: Vec<T>, sequence: impl FnOnce(Vec<T>) -> T) -> Option<T> {
    match list.len() {
        0 | 1 => list.pop(),
        _ => Some(sequence(list)),
    }
}

/// A component, or the components of a Sequence in their order: its list is under the name that the library reads.
fn list<T>(
    parts: &Fields<'_>,
    field: &str,
    under: &str,
    mut read: impl FnMut(&Fields<'_>, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let (mut list, mut rest) = (Vec::new(), Vec::from_iter(parts.value(field)));
    while let Some(value) = rest.pop() {
        let Value::Object(map) = value else {
            return Err(parts.invalid(field, "is not an object"));
        };
        let fields = Fields::of(
            FILE,
            map.iter()
                .filter(|(name, _)| *name != under)
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        );
        if fields.string("type")? != Some("Sequence") {
            list.push(read(&fields, field)?);
        } else {
            let inner = map.get(under).and_then(Value::as_array);
            rest.extend(fields.required(under, inner)?.iter().rev());
        }
        if list.len() + rest.len() > MOST {
            return Err(unsupported(
                field,
                "a longer Sequence".to_owned(),
                "at most 16 components are",
            ));
        }
    }
    Ok(list)
}
